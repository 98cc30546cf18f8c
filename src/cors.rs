//! Which pages of other origins may send requests and read the answers: the server's side of the CORS
//! protocol (Fetch standard, section "CORS protocol").

mod origin;

use std::{borrow::Cow, fmt::Write as _, time::Duration};

pub use origin::{OriginError, OriginPattern, Origins};

/// A field of answers that depend on the request's origin, so that a cache does not mix them up.
const VARY: &str = "Vary: Origin\r\n";

/// The fields that pages can read besides those that they always can.
macro_rules! exposed {
    () => {
        "Access-Control-Expose-Headers: Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id\r\n"
    };
}

/// Where every origin is allowed, answers do not depend on it.
const ANY: &str = concat!("Access-Control-Allow-Origin: *\r\n", exposed!());

/// The origins that are allowed, and what preflights are answered with.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    /// Behind the origin.
    answer: String,
    preflight: String,
}

impl Cors {
    /// For these origins. Pages may send the header fields `headers`, which are tokens (RFC 9110 section
    /// 5.6.2), and browsers keep the answer to a preflight for `max_age`, in seconds.
    pub fn new(origins: Origins, headers: &[String], max_age: Duration) -> Self {
        // A beacon is always sent with credentials: that of a JSON Blob has a preflight, which must allow
        // them. With `*` that is not possible.
        let credentials = if origins.are_any() {
            ""
        } else {
            "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
        };
        let mut preflight = format!("{credentials}Access-Control-Allow-Methods: POST\r\n");
        if !headers.is_empty() {
            // Writing to a String never fails.
            let _ = write!(
                preflight,
                "Access-Control-Allow-Headers: {}\r\n",
                headers.join(", ")
            );
        }
        let _ = write!(
            preflight,
            "Access-Control-Max-Age: {}\r\n",
            max_age.as_secs()
        );
        Self {
            answer: format!("{credentials}{}", exposed!()),
            preflight,
            origins,
        }
    }

    /// The origins that are allowed.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether pages of this origin may use credentials that browsers add by themselves: not where that is every
    /// origin.
    pub fn allows_credentials(&self, origin: &[u8]) -> bool {
        !self.origins.are_any() && self.origins.allow(origin)
    }

    /// The header fields of the answer to a request with this `Origin`, if it has one.
    pub fn answer(&self, origin: Option<&[u8]>) -> Cow<'static, [u8]> {
        if self.origins.are_any() {
            return Cow::Borrowed(ANY.as_bytes());
        }
        self.fields(origin, &self.answer)
    }

    /// The header fields of the answer to a preflight.
    pub fn preflight(&self, origin: &[u8]) -> Cow<'static, [u8]> {
        self.fields(Some(origin), &self.preflight)
    }

    fn fields(&self, origin: Option<&[u8]>, rest: &str) -> Cow<'static, [u8]> {
        let Some(origin) = origin.filter(|origin| self.origins.allow(origin)) else {
            return Cow::Borrowed(VARY.as_bytes());
        };
        let origin = if self.origins.are_any() { b"*" } else { origin };
        let fields = [
            b"Access-Control-Allow-Origin: ",
            origin,
            b"\r\n",
            rest.as_bytes(),
        ];
        Cow::Owned(fields.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        let patterns = origins.iter().map(|it| it.parse().expect("an origin"));
        let origins = Origins::new(patterns.collect()).expect("some");
        let headers = ["authorization".to_owned(), "content-type".to_owned()];
        Cors::new(origins, &headers, Duration::from_millis(7_200_999))
    }

    fn text(fields: &[u8]) -> String {
        String::from_utf8(fields.to_vec()).expect("text")
    }

    #[test]
    fn answers_name_an_allowed_origin_and_vary_by_it() {
        let cors = cors(&["https://app.example.com", "https://*.example.org"]);
        for origin in ["https://app.example.com", "https://a.b.example.org"] {
            assert_eq!(
                text(&cors.answer(Some(origin.as_bytes()))),
                format!(
                    "Access-Control-Allow-Origin: {origin}\r\n\
                     Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n\
                     Access-Control-Expose-Headers: Retry-After, RateLimit, RateLimit-Policy, \
                     WWW-Authenticate, X-Request-Id\r\n"
                )
            );
            assert_eq!(
                text(&cors.preflight(origin.as_bytes())),
                format!(
                    "Access-Control-Allow-Origin: {origin}\r\n\
                     Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n\
                     Access-Control-Allow-Methods: POST\r\n\
                     Access-Control-Allow-Headers: authorization, content-type\r\n\
                     Access-Control-Max-Age: 7200\r\n"
                )
            );
        }
        assert_eq!(text(&cors.answer(None)), VARY);
        assert_eq!(text(&cors.answer(Some(b"https://example.org"))), VARY);
        assert_eq!(text(&cors.preflight(b"https://example.org")), VARY);
        assert!(cors.allows_credentials(b"https://app.example.com"));
        assert!(!cors.allows_credentials(b"https://example.org"));
    }

    #[test]
    fn answers_to_every_origin_are_the_same_and_without_credentials() {
        let cors = cors(&["*"]);
        for origin in [None, Some(&b"https://a.example"[..]), Some(b"null")] {
            assert_eq!(text(&cors.answer(origin)), ANY);
        }
        assert!(!cors.allows_credentials(b"https://a.example"));
        let preflight = text(&cors.preflight(b"null"));
        assert!(
            preflight.starts_with("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods"),
            "{preflight}"
        );
    }
}
