//! The page at `/`: one document, which needs nothing from elsewhere.
//!
//! It reads `/status`, `/routes` and `/samples`, and computes rates and quantiles in the browser.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::config::ListenAddress;

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What the page knows of the server beside what it reads.
#[derive(Clone, Debug)]
pub struct PageFacts {
    /// The public listener.
    pub public: ListenAddress,
    /// Whether that has TLS.
    pub has_tls: bool,
    /// Whether its requests need a credential.
    pub is_authenticated: bool,
    /// Whether it is `--dev`: then the page can also send records.
    pub is_dev: bool,
}

/// The document and its policy.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) document: String,
    /// The value of `Content-Security-Policy` (W3C CSP 3): its own style and script only. In `--dev` it may also
    /// send to the public port.
    pub(super) policy: String,
}

impl Page {
    /// `has_samples`: whether there are some at `/samples`.
    pub(super) fn new(facts: &PageFacts, has_samples: bool) -> Self {
        let (port, socket) = match &facts.public {
            ListenAddress::Tcp(address) => (Some(address.port()), None),
            ListenAddress::Unix(path) => (None, Some(path.display().to_string())),
        };
        let scheme = if facts.has_tls { "https" } else { "http" };
        let known = json!({
            "port": port,
            "socket": socket,
            "scheme": scheme,
            "authenticated": facts.is_authenticated,
            "samples": has_samples,
            "dev": facts.is_dev,
        });
        let document = DOCUMENT
            .replace("/*style*/", STYLE)
            .replace("/*facts*/", &known.to_string())
            .replace("/*script*/", SCRIPT);
        let to_public = match port {
            Some(port) if facts.is_dev => format!(" {scheme}://*:{port}"),
            _ => String::new(),
        };
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'{to_public}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source(STYLE),
            source(SCRIPT),
        );
        Self { document, policy }
    }
}

/// An inline style or script, by its hash (CSP 3 section 2.3.1).
fn source(text: &str) -> String {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!("'sha256-{hash}'")
}
