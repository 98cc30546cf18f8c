//! Where the figures come from: a management listener.

use std::{fmt, str::FromStr, time::Duration};

use serde::de::DeserializeOwned;
use ureq::{Agent, http::Uri};

use super::status::{Samples, Status};
use crate::{
    excerpt::excerpt,
    https::{self, RequestError},
};

/// Time limit of a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A longer answer is not one of ringest: half a kilobyte for each of 50,000 routes.
const ANSWER_BYTES_MAX: u64 = 25_000_000;
/// Characters of a message that are shown.
const MESSAGE_CHARS_MAX: usize = 200;

/// The URL of a management listener, without the last slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a browser or a script may have behind the address of a management listener.
const PAGES: [&str; 7] = [
    "status",
    "samples",
    "metrics",
    "ready",
    "health",
    "routes",
    "openapi.json",
];

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error("expected a port, HOST:PORT or a URL like http://127.0.0.1:4001")]
pub(crate) struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let has_scheme = text.contains("://");
        let port = text.strip_prefix(':').unwrap_or(text);
        let url = if has_scheme {
            text.to_owned()
        } else if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) {
            format!("http://127.0.0.1:{port}")
        } else {
            format!("http://{text}")
        };
        let uri: Uri = url.parse().map_err(|_| AddressError)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or(AddressError)?;
        // A bare name is more often a mistake than a server at port 80.
        let is_complete = has_scheme || authority.port_u16().is_some_and(|it| it > 0);
        let is_plain = uri.query().is_none() && !authority.as_str().contains('@');
        if !is_http || !is_complete || !is_plain || authority.host().is_empty() {
            return Err(AddressError);
        }
        let url = url.trim_end_matches('/');
        let page = url
            .rsplit_once('/')
            .filter(|(_, page)| PAGES.contains(page));
        let url = page.map_or(url, |(listener, _)| listener);
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }
}

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// No complete response.
    #[error(transparent)]
    Request(RequestError),
    /// The same, by TLS.
    #[error(
        "{0}; the management listener speaks HTTP without TLS: http://… unless a proxy is before it"
    )]
    Tls(RequestError),
    /// Answered, but not by a management listener.
    #[error("HTTP status {0} for /{1}: is this the management address of ringest?")]
    Status(u16, &'static str),
    /// Another document.
    #[error("the answer for /{path} is not that of ringest: {}", excerpt(.reason.as_bytes(), MESSAGE_CHARS_MAX))]
    Document {
        /// What was asked for.
        path: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Invalid records that the server has kept.
#[derive(Debug)]
pub(super) enum Kept {
    Some(Samples),
    /// `management.samples` is off.
    Off,
}

/// Reads the documents of a management listener.
#[derive(Debug)]
pub(super) struct Source {
    address: Address,
    agent: Agent,
}

impl Source {
    pub(super) fn new(address: Address) -> Self {
        let agent = https::agent(&address.0, "application/json", TIMEOUT);
        Self { address, agent }
    }

    pub(super) fn status(&self) -> Result<Status, SourceError> {
        let path = "status";
        match self.get(path)? {
            (200, body) => document(path, &body),
            (status, _) => Err(SourceError::Status(status, path)),
        }
    }

    pub(super) fn samples(&self) -> Result<Kept, SourceError> {
        let path = "samples";
        match self.get(path)? {
            (200, body) => document(path, &body).map(Kept::Some),
            (404, _) => Ok(Kept::Off),
            (status, _) => Err(SourceError::Status(status, path)),
        }
    }

    fn get(&self, path: &str) -> Result<(u16, String), SourceError> {
        let url = format!("{}/{path}", self.address);
        let answer = https::get(&self.agent, &url, TIMEOUT, ANSWER_BYTES_MAX);
        answer.map_err(|error| {
            if url.starts_with("https:") {
                SourceError::Tls(error)
            } else {
                SourceError::Request(error)
            }
        })
    }
}

fn document<T: DeserializeOwned>(path: &'static str, body: &str) -> Result<T, SourceError> {
    serde_json::from_str(body).map_err(|error| SourceError::Document {
        path,
        reason: match body.trim_start().chars().next() {
            Some('<') => "it is HTML".to_owned(),
            None => "it is empty".to_owned(),
            Some(_) => error.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_or_a_scheme() {
        for (text, address) in [
            ("9464", "http://127.0.0.1:9464"),
            (":9464", "http://127.0.0.1:9464"),
            ("127.0.0.1:4001/status", "http://127.0.0.1:4001"),
            ("http://[::1]:4001/metrics/", "http://[::1]:4001"),
            ("https://proxy/ringest/ready", "https://proxy/ringest"),
            ("http://status:1", "http://status:1"),
            ("127.0.0.1:4001", "http://127.0.0.1:4001"),
            ("[::1]:4001", "http://[::1]:4001"),
            ("ringest-0.ringest:4001", "http://ringest-0.ringest:4001"),
            ("http://127.0.0.1:4001/", "http://127.0.0.1:4001"),
            ("https://proxy/ringest/", "https://proxy/ringest"),
        ] {
            let parsed: Address = text.parse().expect(text);
            assert_eq!(parsed.to_string(), address);
        }
        for text in [
            "",
            "0",
            "65536",
            "localhost",
            ":",
            "host:0",
            "host:port",
            "ftp://host",
            "http://",
            "http://a@b:1",
            "http://host/?a",
            "a b:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn other_documents_are_named() {
        let error = |body: &str| match document::<Status>("status", body) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let start = "the answer for /status is not that of ringest: ";
        for (body, reason) in [
            ("", "it is empty"),
            ("<!doctype html>", "it is HTML"),
            ("hello", "expected value at line 1 column 1"),
            ("{}", "missing field `version` at line 1 column 2"),
            (
                r#"{"version":"1","ready":"\u001b[2J"}"#,
                r#"invalid type: string "\u{1b}[2J", expected a boolean at line 1 column 34"#,
            ),
        ] {
            assert_eq!(error(body), format!("{start}{reason}"));
        }
    }
}
