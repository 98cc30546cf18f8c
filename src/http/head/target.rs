//! The request line's parts: method, target and what may be wrong with them (RFC 9112 section 3).

use memchr::{memchr, memchr2};

use super::{HeadError, Method};

/// The method, and the target's path as [`super::RequestHead::path`] has it.
///
/// # Errors
/// [`HeadError::Target`] if the target has no form that the method allows.
pub(super) fn parse<'a>(method: &[u8], target: &'a [u8]) -> Result<(Method, &'a [u8]), HeadError> {
    // Only visible ASCII, and no fragment: a client keeps that to itself. Bytes that RFC 3986 does
    // not list but that browsers send in a query (`|`, `{`, …) can't be misread and may pass.
    if !target.is_ascii() || memchr(b'#', target).is_some() {
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
        [b'/', ..] => until_query(target),
        b"*" if method == Method::Options => target,
        _ => absolute_path(target)?,
    };
    if has_valid_escapes(path) {
        Ok((method, path))
    } else {
        Err(HeadError::Target)
    }
}

/// The path of `http://authority/path` (RFC 9112 section 3.2.2), `/` if it is empty.
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
    match until_query(&rest[end..]) {
        // The slash of the scheme's `//` stands for the one that may be left out.
        [] => Ok(&target[scheme + 1..scheme + 2]),
        path => Ok(path),
    }
}

fn until_query(target: &[u8]) -> &[u8] {
    &target[..memchr(b'?', target).unwrap_or(target.len())]
}

/// Whether two hex digits follow every `%` (RFC 3986 section 2.1).
fn has_valid_escapes(mut bytes: &[u8]) -> bool {
    while let Some(at) = memchr(b'%', bytes) {
        match bytes[at..] {
            [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes = &bytes[at + 3..];
            }
            _ => return false,
        }
    }
    true
}

/// Whether this is `host [":" port]` (RFC 3986 section 3.2) without user information, with a host
/// (http needs one, RFC 9110 section 4.2.1) and at most five digits of port. The comma, which a
/// registered name could hold, is refused: it is what joined `Host` fields look like.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let (host_valid, rest) = if let Some(literal) = bytes.strip_prefix(b"[") {
        let Some(end) = memchr(b']', literal) else {
            return false;
        };
        (is_ip_literal(&literal[..end]), &literal[end + 1..])
    } else {
        let end = memchr(b':', bytes).unwrap_or(bytes.len());
        let host = &bytes[..end];
        let named = !host.is_empty() && host.iter().all(|&byte| is_name_byte(byte));
        (named && has_valid_escapes(host), &bytes[end..])
    };
    let port_valid = match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_valid && port_valid
}

/// What may stand between the brackets (RFC 3986 section 3.2.2), as to its characters: an IPv6
/// address or a future form. Nothing here resolves it.
fn is_ip_literal(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|&byte| byte == b':' || (byte != b'%' && is_name_byte(byte)))
}

/// unreserved, sub-delims but the comma, and `%` (RFC 3986 section 2).
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
                | b'%'
        )
}

/// tchar of RFC 9110 section 5.6.2.
pub(in crate::http) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The rule that a request line (without its CRLF) breaks, if it breaks one before its target's
/// form is looked at.
pub(super) fn request_line_fault(line: &[u8]) -> Option<HeadError> {
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
