//! The format that a `Content-Type` value (RFC 9110 section 8.3.1) stands for.

use super::{bytes::is, request::MediaType};

/// Evaluates the type and a `charset`; other parameters do not change the format.
pub(super) fn media_type(value: &[u8]) -> MediaType {
    // The usual value.
    if is(value, b"application/json") {
        return MediaType::Json;
    }
    let mut parts = parameters(value);
    let format = format(parts.next().unwrap_or_default());
    if parts.all(|parameter| !is_foreign_charset(parameter)) {
        format
    } else {
        MediaType::Unsupported
    }
}

fn format(essence: &[u8]) -> MediaType {
    const JSON: [&[u8]; 6] = [
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"application/octet-stream",
        b"text/json",
        b"",
    ];
    const NDJSON: [&[u8]; 4] = [
        b"application/x-ndjson",
        b"application/jsonl",
        b"application/ndjson",
        b"application/x-jsonlines",
    ];
    let is_one_of = |names: &[&[u8]]| names.iter().any(|name| name.eq_ignore_ascii_case(essence));
    if is_one_of(&JSON) || has_json_suffix(essence) {
        MediaType::Json
    } else if is_one_of(&NDJSON) {
        MediaType::Ndjson
    } else {
        MediaType::Unsupported
    }
}

/// `type/subtype+json` (RFC 6839 section 3.1).
fn has_json_suffix(essence: &[u8]) -> bool {
    essence.contains(&b'/')
        && essence
            .last_chunk::<5>()
            .is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

/// JSON between systems is UTF-8 (RFC 8259 section 8.1), of which US-ASCII is a subset.
fn is_foreign_charset(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_at_checked(b"charset=".len()) else {
        return false;
    };
    let value = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""))
        .unwrap_or(value);
    name.eq_ignore_ascii_case(b"charset=")
        && ![&b"utf-8"[..], b"utf8", b"us-ascii"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(value))
}

/// The parts between semicolons outside quotes, without whitespace around them.
fn parameters(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value
        .split(move |&byte| {
            let literal = std::mem::take(&mut escaped);
            match byte {
                b'"' if !literal => quoted = !quoted,
                b'\\' if quoted && !literal => escaped = true,
                _ => {}
            }
            byte == b';' && !quoted
        })
        .map(<[u8]>::trim_ascii)
}
