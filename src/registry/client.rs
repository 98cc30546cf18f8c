//! Requests to the registry over HTTP.

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::{Agent, http::Uri};

use super::{LookupError, SchemaRegistry};
use crate::{excerpt::excerpt, https::agent, model::Schema};

/// The media type of schema registries.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json";

/// Bytes of a response that are read, at most; it contains the schema as a JSON string.
const RESPONSE_BYTES_MAX: u64 = 8 << 20;

/// Characters of a response that an error quotes.
const QUOTED_CHARS_MAX: usize = 200;

/// All but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether `text` is a URL that paths can be appended to: `http` or `https`, a host, no credentials, no
/// query and no fragment.
pub(crate) fn is_base_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && !text.contains(['@', '?', '#'])
}

/// Looks up the ID of each schema, in order. After a timeout or a failed connection no further request
/// is sent: it would only fail after the same wait.
pub(super) fn look_up(
    registry: &SchemaRegistry,
    schemas: &[&Schema],
) -> Vec<Result<u32, LookupError>> {
    let agent = agent(&registry.url, ACCEPT, registry.timeout);
    let mut unreachable = None;
    let look_up = |schema: &&Schema| {
        if let Some(reason) = &unreachable {
            return Err(LookupError::clone(reason));
        }
        let response = request_id(&agent, registry, schema);
        if let Err(reason @ (LookupError::TimedOut(_) | LookupError::Unreachable(_))) = &response {
            unreachable = Some(reason.clone());
        }
        response
    };
    schemas.iter().map(look_up).collect()
}

/// Requests the ID of one schema.
fn request_id(
    agent: &Agent,
    registry: &SchemaRegistry,
    schema: &Schema,
) -> Result<u32, LookupError> {
    let (subject, version) = match schema {
        Schema::Id(id) => return Ok(*id),
        Schema::Subject { subject, version } => (subject, version),
    };
    let subject = utf8_percent_encode(subject, RESERVED);
    let version = version.map_or("latest".to_owned(), |version| version.to_string());
    let url = format!("{}/subjects/{subject}/versions/{version}", registry.url);
    let mut request = agent.get(url);
    if let Some(it) = &registry.credentials {
        // RFC 7617 section 2.
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", it.username, it.password));
        request = request.header("Authorization", format!("Basic {credentials}"));
    }
    let failed = |error| match error {
        ureq::Error::Timeout(_) => LookupError::TimedOut(registry.timeout),
        other => LookupError::Unreachable(other.to_string()),
    };
    let mut response = request.call().map_err(failed)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX);
    let body = body.read_to_vec().map_err(failed)?;
    parse(status, &body)
}

/// The schema ID in a response.
fn parse(status: u16, body: &[u8]) -> Result<u32, LookupError> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let member = |name| json.as_ref().and_then(|json| json.get(name));
    let error_code = member("error_code").and_then(Value::as_u64);
    match (status, error_code) {
        (200, _) => {
            let id = member("id").and_then(Value::as_u64);
            id.and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| LookupError::NotARegistry(quoted(body)))
        }
        (401 | 403, _) => Err(LookupError::Unauthorized(status)),
        (_, Some(40_401)) => Err(LookupError::UnknownSubject),
        (_, Some(40_402)) => Err(LookupError::UnknownVersion),
        _ => {
            let message = member("message").and_then(Value::as_str);
            let excerpt = message.map_or_else(|| quoted(body), |it| quoted(it.as_bytes()));
            Err(LookupError::Status(status, excerpt))
        }
    }
}

/// An excerpt of a response, on one line.
fn quoted(text: &[u8]) -> String {
    if text.is_empty() {
        return "empty response".to_owned();
    }
    excerpt(text, QUOTED_CHARS_MAX)
}
