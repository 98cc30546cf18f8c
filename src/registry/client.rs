//! The questions over HTTP.

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::{Agent, http::Uri};

use super::{Reason, SchemaRegistry};
use crate::{excerpt::excerpt, https::agent, model::Schema};

/// The media type that registries speak.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json";

/// The most of an answer that is read, in bytes: it holds the schema, in a JSON string.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// Characters of an answer that an error quotes.
const QUOTED_CHARS_MAX: usize = 200;

/// All but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Whether paths can be appended to it: `http` or `https`, a host, and neither credentials nor a
/// query nor a fragment.
pub(crate) fn is_base_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && !text.contains(['@', '?', '#'])
}

/// The number of each schema, in their order. A registry that can't be asked once is not asked
/// again: the others would wait as long, for the same.
pub(super) fn ask(registry: &SchemaRegistry, schemas: &[&Schema]) -> Vec<Result<u32, Reason>> {
    let agent = agent(&registry.url, ACCEPT, registry.timeout);
    let mut gone = None;
    let ask = |schema: &&Schema| {
        if let Some(reason) = &gone {
            return Err(Reason::clone(reason));
        }
        let answer = number(&agent, registry, schema);
        if let Err(reason @ (Reason::TimedOut(_) | Reason::Unreachable(_))) = &answer {
            gone = Some(reason.clone());
        }
        answer
    };
    schemas.iter().map(ask).collect()
}

/// One question.
fn number(agent: &Agent, registry: &SchemaRegistry, schema: &Schema) -> Result<u32, Reason> {
    let (subject, version) = match schema {
        Schema::Id(id) => return Ok(*id),
        Schema::Subject { subject, version } => (subject, version),
    };
    let subject = utf8_percent_encode(subject, RESERVED);
    let version = version.map_or("latest".to_owned(), |version| version.to_string());
    let url = format!("{}/subjects/{subject}/versions/{version}", registry.url);
    let mut question = agent.get(url);
    if let Some(it) = &registry.credentials {
        // RFC 7617 section 2.
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", it.username, it.password));
        question = question.header("Authorization", format!("Basic {credentials}"));
    }
    let failed = |error| match error {
        ureq::Error::Timeout(_) => Reason::TimedOut(registry.timeout),
        other => Reason::Unreachable(other.to_string()),
    };
    let mut answer = question.call().map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let body = body.read_to_vec().map_err(failed)?;
    understand(status, &body)
}

/// The number in an answer.
fn understand(status: u16, body: &[u8]) -> Result<u32, Reason> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let member = |name| json.as_ref().and_then(|json| json.get(name));
    let error_code = member("error_code").and_then(Value::as_u64);
    match (status, error_code) {
        (200, _) => {
            let id = member("id").and_then(Value::as_u64);
            id.and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| Reason::NotARegistry(quoted(body)))
        }
        (401 | 403, _) => Err(Reason::Unauthorized(status)),
        (_, Some(40_401)) => Err(Reason::UnknownSubject),
        (_, Some(40_402)) => Err(Reason::UnknownVersion),
        _ => {
            let message = member("message").and_then(Value::as_str);
            let said = message.map_or_else(|| quoted(body), |it| quoted(it.as_bytes()));
            Err(Reason::Status(status, said))
        }
    }
}

/// What the registry said, on one line.
fn quoted(text: &[u8]) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    excerpt(text, QUOTED_CHARS_MAX)
}
