//! The header fields that ringest evaluates, one rule each; all others are ignored.

use memchr::memchr;

use super::{
    bytes::is,
    error::HeadError,
    media,
    request::{Authorization, ContentCoding, Framing, Identifiers, MediaType, Span, Version},
    target,
};
use crate::http::content::Coding;

/// A field that ringest evaluates. In trailers it is rejected (RFC 9110 section 6.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Field {
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentType,
    Expect,
    Host,
    TransferEncoding,
}

/// Bytes of the longest name of a [`Field`].
pub(in crate::http) const LONGEST_NAME: usize = b"transfer-encoding".len();

impl Field {
    /// The field with this name, whatever its case.
    pub(in crate::http) fn named(name: &[u8]) -> Option<Self> {
        let (named, field) = match name.len() {
            4 => (is(name, b"host"), Self::Host),
            6 => (is(name, b"expect"), Self::Expect),
            10 => (is(name, b"connection"), Self::Connection),
            12 => (is(name, b"content-type"), Self::ContentType),
            13 => (is(name, b"authorization"), Self::Authorization),
            14 => (is(name, b"content-length"), Self::ContentLength),
            16 => (is(name, b"content-encoding"), Self::ContentEncoding),
            17 => (is(name, b"transfer-encoding"), Self::TransferEncoding),
            _ => return None,
        };
        named.then_some(field)
    }
}

/// The values of the fields of one head seen so far.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is set by one field")]
pub(super) struct Fields {
    host: bool,
    /// With its position.
    content_length: Option<(u64, Span)>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    expects_other: bool,
    content_type: Option<MediaType>,
    content_encoding: ContentCoding,
    authorization: Authorization,
    identifiers: Identifiers,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self {
            host: false,
            content_length: None,
            chunked: false,
            close: false,
            keep_alive: false,
            expects_continue: false,
            expects_other: false,
            content_type: None,
            content_encoding: ContentCoding::Identity,
            authorization: Authorization::Absent,
            identifiers: Identifiers::default(),
        }
    }

    /// Evaluates one field; `value` is a part of `head` without whitespace around it.
    pub(super) fn add(&mut self, head: &[u8], name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let Some(field) = Field::named(name) else {
            self.add_identifier(head, name, value);
            return Ok(());
        };
        match field {
            Field::Host => self.add_host(value)?,
            Field::ContentLength => {
                let length = decimal(value).ok_or(HeadError::ContentLength)?;
                let length = (length, span_in(head, value));
                if self.content_length.replace(length).is_some() {
                    return Err(HeadError::ContentLengthRepeated);
                }
            }
            Field::TransferEncoding => {
                let repeated = std::mem::replace(&mut self.chunked, true);
                if repeated || !is(value, b"chunked") {
                    return Err(HeadError::TransferEncoding);
                }
            }
            Field::Connection => {
                for option in members(value) {
                    self.close |= is(option, b"close");
                    self.keep_alive |= is(option, b"keep-alive");
                }
            }
            Field::Expect => {
                for expectation in members(value) {
                    let known = is(expectation, b"100-continue");
                    self.expects_continue |= known;
                    self.expects_other |= !known;
                }
            }
            Field::ContentType => {
                if self
                    .content_type
                    .replace(media::media_type(value))
                    .is_some()
                {
                    return Err(HeadError::ContentTypeRepeated);
                }
            }
            Field::ContentEncoding => {
                for coding in members(value).filter(|it| !is(it, b"identity")) {
                    self.content_encoding = match self.content_encoding {
                        ContentCoding::Identity => content_coding(coding),
                        _ => ContentCoding::Unsupported,
                    };
                }
            }
            Field::Authorization => {
                self.authorization = match self.authorization {
                    Authorization::Absent => Authorization::Value(span_in(head, value)),
                    _ => Authorization::Repeated,
                };
            }
        }
        Ok(())
    }

    /// They change nothing about how a request is processed, so that trailers may have them.
    fn add_identifier(&mut self, head: &[u8], name: &[u8], value: &[u8]) {
        let identifier = match name.len() {
            11 if is(name, b"traceparent") => &mut self.identifiers.traceparent,
            12 if is(name, b"x-request-id") => &mut self.identifiers.request_id,
            _ => return,
        };
        identifier.get_or_insert_with(|| span_in(head, value));
    }

    fn add_host(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if std::mem::replace(&mut self.host, true) {
            return Err(HeadError::HostRepeated);
        }
        if target::is_authority(value) {
            Ok(())
        } else {
            Err(HeadError::Host)
        }
    }

    /// Checks the rules about several fields, after the last field. The expectation comes last: a
    /// head whose framing is ambiguous must not be answered 417.
    pub(super) fn check(&self, version: Version) -> Result<(), HeadError> {
        let latest = version == Version::Http11;
        if latest && !self.host {
            return Err(HeadError::HostMissing);
        }
        if self.chunked && self.content_length.is_some() {
            return Err(HeadError::LengthAndEncoding);
        }
        if self.chunked && !latest {
            return Err(HeadError::TransferEncoding);
        }
        if self.expects_other && latest {
            return Err(HeadError::UnsupportedExpectation);
        }
        Ok(())
    }

    pub(super) fn framing(&self) -> Framing {
        match self.content_length {
            Some((length, _)) => Framing::Length(length),
            None if self.chunked => Framing::Chunked,
            None => Framing::None,
        }
    }

    /// Where the value of `Content-Length` is; empty where there is none.
    pub(super) fn length_span(&self) -> Span {
        self.content_length
            .map_or(Span::default(), |(_, span)| span)
    }

    /// RFC 9112 section 9.3: `close` takes precedence; HTTP/1.0 needs `keep-alive`.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    pub(super) fn expect_continue(&self) -> bool {
        self.expects_continue
    }

    pub(super) fn content_type(&self) -> MediaType {
        self.content_type.unwrap_or(MediaType::Json)
    }

    pub(super) fn content_encoding(&self) -> ContentCoding {
        self.content_encoding
    }

    pub(super) fn authorization(&self) -> Authorization {
        self.authorization
    }

    pub(super) fn identifiers(&self) -> Identifiers {
        self.identifiers
    }
}

/// The value of a field of `head`, a complete and valid head, by the field's name in lower case:
/// the first value where there are several, without the whitespace around it.
pub fn field_value<'h>(head: &'h [u8], lower_name: &str) -> Option<&'h [u8]> {
    field_values(head, lower_name).next()
}

/// As [`field_value`], every value, in their order.
pub(in crate::http) fn field_values<'h>(
    head: &'h [u8],
    lower_name: &str,
) -> impl Iterator<Item = &'h [u8]> {
    let request = head.strip_prefix(b"\r\n").unwrap_or(head);
    // The request line comes first.
    let lines = request.split(|&byte| byte == b'\n').skip(1);
    lines.filter_map(move |line| {
        let (name, value) = line.split_at(memchr(b':', line)?);
        let is_named = name.eq_ignore_ascii_case(lower_name.as_bytes());
        is_named.then(|| value[1..].trim_ascii())
    })
}

/// The value of the only `Origin` field of a head (RFC 6454 section 7), which may be malformed or incomplete:
/// a line whose end is missing does not count.
pub fn origin(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"origin:";
    let mut found = None;
    let mut rest = head.trim_ascii_start();
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        match line.split_at_checked(NAME.len()) {
            Some((name, value)) if name.eq_ignore_ascii_case(NAME) => {
                if found.replace(value.trim_ascii()).is_some() {
                    return None;
                }
            }
            None if line.trim_ascii().is_empty() => break,
            Some(_) | None => {}
        }
    }
    found
}

/// A coding other than `identity` by its name (RFC 9110 section 8.4.1), whatever its case.
fn content_coding(name: &[u8]) -> ContentCoding {
    if is(name, b"gzip") || is(name, b"x-gzip") {
        ContentCoding::Coded(Coding::Gzip)
    } else if is(name, b"deflate") {
        ContentCoding::Coded(Coding::Deflate)
    } else if is(name, b"zstd") {
        ContentCoding::Coded(Coding::Zstd)
    } else {
        ContentCoding::Unsupported
    }
}

/// The position of `part` in `whole`, of which it is a slice.
pub(super) fn span_in(whole: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    Span {
        start,
        end: start + part.len(),
    }
}

/// The members of a list (RFC 9110 section 5.6.1); empty ones are skipped, as recipients must.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// 1*DIGIT within 64 bits.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
