//! The request line's method and target, and their errors (RFC 9112 section 3).

use memchr::{memchr, memchr2, memchr3};

use super::{
    bytes::{is_name_byte, is_token_byte},
    error::HeadError,
    request::Method,
};

/// The method, and the target's path as [`super::RequestHead::path`] has it.
///
/// # Errors
/// [`HeadError::Target`] if the target has no form that the method allows.
pub(super) fn parse<'a>(method: &[u8], target: &'a [u8]) -> Result<(Method, &'a [u8]), HeadError> {
    // httparse accepts visible ASCII and UTF-8. Bytes that RFC 3986 does not list but that browsers
    // send in a query (`|`, `{`, …) are unambiguous and accepted.
    if !target.is_ascii() {
        return Err(HeadError::Target);
    }
    let method = match method {
        b"POST" => Method::Post,
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"OPTIONS" => Method::Options,
        b"CONNECT" => {
            let valid = target.contains(&b':') && is_authority(target);
            return if valid {
                Ok((Method::Other, &target[..0]))
            } else {
                Err(HeadError::Target)
            };
        }
        _ => Method::Other,
    };
    let path = match target {
        [b'/', ..] => target,
        b"*" if method == Method::Options => target,
        _ => absolute_path(target)?,
    };
    Ok((method, without_query(path)?))
}

/// The path and query of `http://authority/path` (RFC 9112 section 3.2.2); `/` without the query
/// if the path is empty.
fn absolute_path(target: &[u8]) -> Result<&[u8], HeadError> {
    let scheme = memchr(b':', target).ok_or(HeadError::Target)?;
    let known = matches!(scheme, 4 | 5) && {
        let name = &target[..scheme];
        name.eq_ignore_ascii_case(b"http") || name.eq_ignore_ascii_case(b"https")
    };
    let rest = target[scheme + 1..].strip_prefix(b"//");
    let (true, Some(rest)) = (known, rest) else {
        return Err(HeadError::Target);
    };
    let end = memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    if !is_authority(&rest[..end]) {
        return Err(HeadError::Target);
    }
    match &rest[end..] {
        [b'/', ..] => Ok(&rest[end..]),
        // No path, perhaps a query: a slash of the scheme's `//` stands for the path's.
        query => {
            without_query(query)?;
            Ok(&target[scheme + 1..scheme + 2])
        }
    }
}

/// The target without its query. A fragment, which clients must not send, and a `%` in the path
/// without two hex digits (RFC 3986 section 2.1) are errors.
fn without_query(target: &[u8]) -> Result<&[u8], HeadError> {
    let mut from = 0;
    while let Some(found) = memchr3(b'?', b'#', b'%', &target[from..]) {
        let at = from + found;
        match target[at..] {
            [b'?', ref query @ ..] if memchr(b'#', query).is_none() => return Ok(&target[..at]),
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                from = at + 3;
            }
            _ => return Err(HeadError::Target),
        }
    }
    Ok(target)
}

/// Whether this is `host [":" port]` (RFC 3986 section 3.2) without user information, with a host
/// (http needs one, RFC 9110 section 4.2.1) and at most five digits of port. Two things
/// that a registered name may contain are rejected: the comma, because joined `Host` fields have
/// one, and percent-encoding, which names in use do not need.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let (host_end, rest) = if let [b'[', literal @ ..] = bytes {
        // An IPv6 address or a future form; only its characters are checked, as nothing resolves it.
        let end = literal
            .iter()
            .position(|&byte| !is_name_byte(byte) && byte != b':');
        match end.map(|end| (end, &literal[end..])) {
            Some((end, [b']', rest @ ..])) => (end, rest),
            _ => return false,
        }
    } else {
        let end = bytes
            .iter()
            .position(|&byte| !is_name_byte(byte))
            .unwrap_or(bytes.len());
        (end, &bytes[end..])
    };
    let port_valid = match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_end > 0 && port_valid
}

/// The first error of a request line (without its CRLF), the form of its target aside.
pub(super) fn request_line_error(line: &[u8]) -> Option<HeadError> {
    if line.contains(&b'\r') {
        return Some(HeadError::LineEnd);
    }
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(HeadError::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|&byte| is_token_byte(byte)) || target.is_empty() {
        return Some(HeadError::RequestLine);
    }
    if !target.iter().all(u8::is_ascii_graphic) {
        return Some(HeadError::Target);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => None,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Some(HeadError::UnsupportedVersion)
        }
        _ => Some(HeadError::RequestLine),
    }
}
