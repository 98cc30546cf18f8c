//! `[traces]`: the collector that spans are sent to.

use std::path::Path;

use ureq::http::Uri;

use super::{
    keys::{
        TRACES_ENDPOINT, TRACES_HEADERS_FILE, TRACES_SAMPLE_RATIO, TRACES_SERVICE_NAME,
        TRACES_TIMEOUT,
    },
    reader::Reader,
};
use crate::{document::Value, traces::TraceSettings};

/// The path of a receiver (OTLP specification, section "OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// The allowed endpoints, for errors.
pub(super) const ENDPOINT: &str =
    "an http or https URL, such as \"http://127.0.0.1:4318/v1/traces\", or \"\" for none";

/// Reads an endpoint.
#[expect(
    clippy::option_option,
    reason = "an empty text is good, and stands for none"
)]
pub(super) fn endpoint_or_none(value: &Value) -> Option<Option<String>> {
    match value.text()? {
        "" => Some(None),
        url => Some(Some(endpoint(url)?)),
    }
}

/// Reads a part of all requests.
pub(super) fn ratio(value: &Value) -> Option<f64> {
    let ratio = value.scalar()?.parse().ok();
    ratio.filter(|ratio| (0.0..=1.0).contains(ratio))
}

/// The URL that spans are posted to, if it is one: a URL without a path is that of a receiver as a whole.
fn endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let has_server = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && !text.contains(['@', '#']);
    let is_whole = uri.path_and_query().is_none_or(|it| it.as_str() == "/");
    has_server.then(|| {
        if is_whole {
            format!("{}/{PATH}", text.trim_end_matches('/'))
        } else {
            text.to_owned()
        }
    })
}

impl Reader {
    /// `None` where there is no endpoint. Its file is relative to `directory`; if it is `None` it is not read.
    pub(super) fn traces(&mut self, directory: Option<&Path>) -> Option<TraceSettings> {
        let (at, file) = (TRACES_HEADERS_FILE.at(), self.get(&TRACES_HEADERS_FILE));
        let settings = TraceSettings {
            endpoint: self.get(&TRACES_ENDPOINT).unwrap_or_default(),
            sample_ratio: self.get(&TRACES_SAMPLE_RATIO),
            headers_file: directory.and_then(|it| Some(it.join(file.as_ref()?))),
            timeout: self.get(&TRACES_TIMEOUT),
            service_name: self.get(&TRACES_SERVICE_NAME),
        };
        if settings.endpoint.is_empty() {
            if file.is_some() && self.are_good(&[TRACES_ENDPOINT.name]) {
                self.fail(
                    at,
                    format!("has no effect without {}", TRACES_ENDPOINT.name),
                );
            }
            return None;
        }
        if let (Err(error), Some(path)) = (settings.headers(), &settings.headers_file) {
            self.fail(at, format!("{}: {error}", path.display()));
        }
        if file.is_some() && settings.endpoint.starts_with("http:") {
            let message = format!(
                "{} is http: they are sent unencrypted",
                TRACES_ENDPOINT.name
            );
            self.warn(at, message);
        }
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_url_without_a_path_is_that_of_a_receiver() {
        for (text, expected) in [
            (
                "http://collector:4318",
                Some("http://collector:4318/v1/traces"),
            ),
            (
                "https://c.example.com/",
                Some("https://c.example.com/v1/traces"),
            ),
            (
                "http://[::1]:4318/v1/traces",
                Some("http://[::1]:4318/v1/traces"),
            ),
            (
                "https://c.example.com/otlp/",
                Some("https://c.example.com/otlp/"),
            ),
            (
                "https://c.example.com/api?kind=otlp",
                Some("https://c.example.com/api?kind=otlp"),
            ),
            ("collector:4318", None),
            ("/v1/traces", None),
            ("grpc://collector:4317", None),
            ("http://name:secret@collector", None),
            ("http://collector/#here", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), expected, "{text}");
        }
    }
}
