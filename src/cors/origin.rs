//! Origins of web pages as settings name them, and which of them a request's `Origin` is.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// The longest host of an origin, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// An origin, in the form in which browsers send it (RFC 6454 section 6.2), or several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OriginPattern {
    /// This one, such as `https://app.example.com`.
    Exact(Box<str>),
    /// All subdomains of a domain, such as `https://*.example.com`.
    Subdomains {
        /// With the `://` behind it.
        scheme: Box<str>,
        /// With a dot before it, and with the port.
        domain: Box<str>,
    },
    /// `*`: every origin, `null` included.
    Any,
}

/// Why a text names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not `<scheme>://<host>[:<port>]`.
    #[error(
        "an origin is <scheme>://<host> or <scheme>://<host>:<port>, such as \
         \"https://app.example.com\""
    )]
    Form,
    /// With something behind the port, if only a slash.
    #[error("an origin has no path and no slash at its end: \"{0}\"")]
    Path(String),
    /// In another form than that in which browsers send it.
    #[error("browsers send it as \"{0}\"")]
    Canonical(String),
    /// A host that is not ASCII.
    #[error("browsers send such a host in its ASCII form, which starts with xn--")]
    NotAscii,
    /// `null`.
    #[error(
        "\"null\" is the origin of all sandboxed pages and local files, and can't be allowed alone"
    )]
    Null,
    /// A `*` that does not stand for the subdomains of a domain.
    #[error(
        "\"*\" stands for the subdomains of a domain with at least two labels, such as \
         \"https://*.example.com\""
    )]
    Wildcard,
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Err(OriginError::Null),
            _ => {}
        }
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::Form)?;
        if !is_scheme(scheme) {
            return Err(OriginError::Form);
        }
        if !authority.is_ascii() {
            return Err(OriginError::NotAscii);
        }
        if let Some(path) = authority.find(['/', '?', '#', '\\']) {
            let origin = &text[..text.len() - authority.len() + path];
            return Err(OriginError::Path(origin.to_owned()));
        }
        let (wildcard, authority) = match authority.strip_prefix("*.") {
            Some(domain) => ("*.", domain),
            None => ("", authority),
        };
        let (host, port) = split_port(authority).ok_or(OriginError::Form)?;
        if host.contains('*') || !wildcard.is_empty() && !can_have_subdomains(host) {
            return Err(OriginError::Wildcard);
        }
        let host = canonical_host(host).ok_or(OriginError::Form)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = match (scheme.as_str(), port) {
            ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        let canonical = format!("{scheme}://{wildcard}{host}{port}");
        if canonical != text {
            return Err(OriginError::Canonical(canonical));
        }
        Ok(if wildcard.is_empty() {
            Self::Exact(canonical.into())
        } else {
            Self::Subdomains {
                scheme: format!("{scheme}://").into(),
                domain: format!(".{host}{port}").into(),
            }
        })
    }
}

impl OriginPattern {
    /// Whether an `Origin` as a browser sends it is among these.
    pub fn matches(&self, origin: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == origin,
            Self::Subdomains { scheme, domain } => {
                let host = origin.strip_prefix(scheme.as_bytes());
                let labels = host.and_then(|host| host.strip_suffix(domain.as_bytes()));
                labels.is_some_and(|labels| str::from_utf8(labels).is_ok_and(is_domain))
            }
            Self::Any => true,
        }
    }

    /// Whether every origin of the other one is among these.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Exact(origin)) => self.matches(origin.as_bytes()),
            (
                Self::Subdomains { scheme, domain },
                Self::Subdomains {
                    scheme: of,
                    domain: narrower,
                },
            ) => scheme == of && narrower.ends_with(&**domain),
            _ => false,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin),
            Self::Subdomains { scheme, domain } => write!(f, "{scheme}*{domain}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The origins that a setting allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins(Box<[OriginPattern]>);

impl Origins {
    /// These, or none if there are no patterns.
    pub fn new(patterns: Vec<OriginPattern>) -> Option<Self> {
        (!patterns.is_empty()).then(|| Self(patterns.into()))
    }

    /// Whether an `Origin` as a browser sends it is among them.
    pub fn allow(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.matches(origin))
    }

    /// Whether every origin is.
    pub fn are_any(&self) -> bool {
        self.0.contains(&OriginPattern::Any)
    }

    /// Whether every origin of a pattern is.
    pub fn cover(&self, pattern: &OriginPattern) -> bool {
        self.0.iter().any(|wider| wider.covers(pattern))
    }

    /// As the setting has them.
    pub fn patterns(&self) -> &[OriginPattern] {
        &self.0
    }
}

/// scheme of RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && (text.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The host, and the port, if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    let port = match port {
        "" => None,
        port => {
            let digits = port.strip_prefix(':')?;
            let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
            Some(digits.parse().ok().filter(|_| is_number)?)
        }
    };
    Some((host, port))
}

/// A host as browsers send it: in lower case, and an IPv6 address as short as can be.
fn canonical_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let host = host.to_ascii_lowercase();
    is_domain(&host).then_some(host)
}

/// Whether it is labels with dots between them, in lower case. Names of hosts in use have `_`, too.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label)
}

/// Whether `*.` may stand before a host: not before a top-level domain, whose subdomains are everyone's,
/// and not before an address.
fn can_have_subdomains(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_address = host.contains('[') || last.bytes().all(|byte| byte.is_ascii_digit());
    !is_address && (host.contains('.') || host.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> OriginPattern {
        text.parse().expect(text)
    }

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        for text in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
            "https://my_app.example.com",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "capacitor://localhost",
            "https://*.example.com",
            "https://*.example.com:8443",
            "http://*.localhost:3000",
            "*",
        ] {
            let pattern = pattern(text);
            assert_eq!(pattern.to_string(), text);
            assert_eq!(
                pattern.matches(text.as_bytes()),
                !text.contains("*."),
                "{text}"
            );
        }
    }

    #[test]
    fn what_no_browser_sends_is_an_error() {
        let canonical = |text: &str| OriginError::Canonical(text.to_owned());
        let path = |text: &str| OriginError::Path(text.to_owned());
        for (text, error) in [
            ("", OriginError::Form),
            ("app.example.com", OriginError::Form),
            ("//app.example.com", OriginError::Form),
            ("https:app.example.com", OriginError::Form),
            ("https://", OriginError::Form),
            ("1ttps://app.example.com", OriginError::Form),
            ("https://user@app.example.com", OriginError::Form),
            ("https://app..example.com", OriginError::Form),
            ("https://app example.com", OriginError::Form),
            (
                "https://app.example.com,https://b",
                path("https://app.example.com,https:"),
            ),
            ("https://app.example.com:", OriginError::Form),
            ("https://app.example.com:65536", OriginError::Form),
            ("https://app.example.com:+80", OriginError::Form),
            ("https://[::1", OriginError::Form),
            ("https://[app]", OriginError::Form),
            ("https://app.example.com/", path("https://app.example.com")),
            ("https://app.example.com/x", path("https://app.example.com")),
            ("https://app.example.com?x", path("https://app.example.com")),
            (
                "https://App.example.com",
                canonical("https://app.example.com"),
            ),
            (
                "HTTPS://app.example.com",
                canonical("https://app.example.com"),
            ),
            (
                "https://app.example.com:443",
                canonical("https://app.example.com"),
            ),
            ("http://*.example.com:80", canonical("http://*.example.com")),
            (
                "https://a.example:08443",
                canonical("https://a.example:8443"),
            ),
            ("http://[0:0::1]", canonical("http://[::1]")),
            ("https://bücher.example", OriginError::NotAscii),
            ("null", OriginError::Null),
            ("https://*", OriginError::Wildcard),
            ("https://*.com", OriginError::Wildcard),
            ("https://*.0.0.1", OriginError::Wildcard),
            ("https://*.[::1]", OriginError::Wildcard),
            ("https://app.*.example.com", OriginError::Wildcard),
            ("https://*.*.example.com", OriginError::Wildcard),
            ("https://app*.example.com", OriginError::Wildcard),
        ] {
            assert_eq!(text.parse::<OriginPattern>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_origin_is_matched_byte_for_byte() {
        let exact = pattern("https://app.example.com");
        let subdomains = pattern("https://*.example.com");
        for (origin, is_exact, is_subdomain) in [
            ("https://app.example.com", true, true),
            ("https://a.b.example.com", false, true),
            ("https://example.com", false, false),
            ("https://.example.com", false, false),
            ("https://a..example.com", false, false),
            ("https://evilexample.com", false, false),
            ("https://app.example.com.evil.example", false, false),
            ("https://evil.example/.example.com", false, false),
            ("https://evil.example:80.example.com", false, false),
            ("https://a@b.example.com", false, false),
            ("https://evil.example#.example.com", false, false),
            ("https://APP.example.com", false, false),
            ("http://app.example.com", false, false),
            ("https://app.example.com:8443", false, false),
            ("https://app.example.com ", false, false),
            (
                "https://app.example.com https://b.example.com",
                false,
                false,
            ),
            ("null", false, false),
            ("", false, false),
        ] {
            assert_eq!(exact.matches(origin.as_bytes()), is_exact, "{origin}");
            assert_eq!(
                subdomains.matches(origin.as_bytes()),
                is_subdomain,
                "{origin}"
            );
            assert!(OriginPattern::Any.matches(origin.as_bytes()));
        }
        assert!(!subdomains.matches(b"https://a\xff.example.com"));
        let long = format!("https://{}.example.com", "a".repeat(HOST_BYTES_MAX + 1));
        assert!(!subdomains.matches(long.as_bytes()));
    }

    #[test]
    fn wider_patterns_cover_narrower_ones() {
        let origins = ["https://app.example.com", "https://*.example.org"].map(pattern);
        let origins = Origins::new(origins.to_vec()).expect("two");
        for (text, is_covered) in [
            ("https://app.example.com", true),
            ("https://a.example.org", true),
            ("https://*.example.org", true),
            ("https://*.a.example.org", true),
            ("http://*.example.org", false),
            ("https://*.example.com", false),
            ("https://*.other-example.org", false),
            ("https://example.org", false),
            ("*", false),
        ] {
            assert_eq!(origins.cover(&pattern(text)), is_covered, "{text}");
        }
        let any = Origins::new(vec![OriginPattern::Any]).expect("one");
        assert!(any.cover(&pattern("https://*.example.org")) && any.are_any());
        assert_eq!(Origins::new(Vec::new()), None);
    }
}
