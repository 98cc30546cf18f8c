//! The chunked transfer coding (RFC 9112 section 7.1), decoded strictly and without I/O.

use std::ops::Range;

use super::head::{Field, LONGEST_NAME, is_token_byte};

/// Hex digits of a chunk size: what 64 bits need. Leading zeros count.
const SIZE_DIGITS_MAX: u8 = 16;

/// Limits of one chunked body: its data, its extensions and its trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedLimits {
    /// Bytes of all chunks' data.
    pub body_bytes_max: usize,
    /// Bytes of extensions in one chunk's size line.
    pub line_extension_bytes_max: usize,
    /// Bytes of extensions of the whole body, so that tiny chunks can't carry extensions of a
    /// multiple of their data.
    pub extension_bytes_max: usize,
    /// Trailer fields.
    pub trailers_max: usize,
    /// Bytes of the trailer fields, their line ends included.
    pub trailer_bytes_max: usize,
}

impl ChunkedLimits {
    /// The default limits for at most `body_bytes_max` bytes of data: 256 bytes of extensions a
    /// chunk and 16 KiB a body, 32 trailer fields in 8 KiB.
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            line_extension_bytes_max: 256,
            extension_bytes_max: 16_384,
            trailers_max: 32,
            trailer_bytes_max: 8_192,
        }
    }
}

/// What [`ChunkedDecoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkedStep {
    /// Bytes of the body: this range of the input, never empty; it ends with the consumed part.
    Data(Range<usize>),
    /// The whole input is consumed, and the body is not complete.
    NeedMore,
    /// The body is complete; what follows the consumed part is another request's.
    Done,
}

/// Why a chunked body is rejected. All but [`TooLarge`](Self::TooLarge) are malformed (400); after
/// any of them the start of the next request is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A size without a digit, or something other than a digit, an extension or CRLF in its place:
    /// a sign, `0x`, whitespace in front or behind (RFC 9112 section 7.1).
    #[error("a chunk size is not hexadecimal")]
    ChunkSize,
    /// More than 16 digits, leading zeros included (RFC 9112 section 7.1: recipients must
    /// anticipate large numerals).
    #[error("a chunk size has too many digits")]
    ChunkSizeTooLong,
    /// An extension that is not `;name`, `;name=token` or `;name="text"` (RFC 9112
    /// section 7.1.1).
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    /// [`ChunkedLimits::line_extension_bytes_max`] or [`ChunkedLimits::extension_bytes_max`] is
    /// exceeded (RFC 9112 section 7.1.1 asks for such a bound).
    #[error("the chunk extensions are too long")]
    ChunkExtensionsTooLong,
    /// CR or LF that is not part of a CRLF (RFC 9112 section 2.2).
    #[error("a line of the chunked coding does not end in CRLF, or contains a bare CR or LF")]
    LineEnd,
    /// A chunk's data is not followed by CRLF: its size is wrong (RFC 9112 section 7.1).
    #[error("the length of a chunk's data does not match its size")]
    ChunkDataEnd,
    /// A trailer field whose name is empty or no token, or that is folded (RFC 9112 sections 5.1,
    /// 5.2 and 7.1.2).
    #[error("a trailer field name is invalid")]
    TrailerName,
    /// A control character in a trailer field's value (RFC 9110 section 5.5).
    #[error("a trailer field value contains a control character")]
    TrailerValue,
    /// A trailer field about framing, routing, the credential or the content (RFC 9110
    /// section 6.5.1).
    #[error("the trailer contains a field that is only allowed in the head")]
    TrailerForbidden,
    /// [`ChunkedLimits::trailers_max`] or [`ChunkedLimits::trailer_bytes_max`] is exceeded.
    #[error("the trailer fields are too many or too long")]
    TrailersTooLarge,
    /// [`ChunkedLimits::body_bytes_max`] is exceeded: 413, as soon as a chunk's size says so.
    #[error("the body is too large")]
    TooLarge,
}

/// Where the decoder is; each state waits for one byte, `Data` for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A size's first digit.
    SizeStart,
    /// Another digit, or what ends the size.
    Size,
    /// White space, which only an extension may follow.
    BeforeExtension,
    /// White space or the first byte of an extension's name.
    ExtensionStart,
    ExtensionName,
    /// White space behind a name: `=`, or the next extension.
    AfterExtensionName,
    /// White space or the first byte of an extension's value.
    ValueStart,
    Value,
    Quoted,
    QuotedEscape,
    /// Behind a closing quote.
    AfterQuoted,
    /// The LF of a size line.
    SizeLf,
    Data,
    /// The CR and the LF behind a chunk's data.
    DataCr,
    DataLf,
    /// A trailer field's first byte, or the CR of the last line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// The LF of the last line.
    LastLf,
    Done,
}

/// Decodes one body, however its bytes arrive. Nothing is copied or kept but counters and the
/// name of the trailer field being read.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    limits: ChunkedLimits,
    state: State,
    /// The size being read; then the bytes of the chunk that are still to come.
    size: u64,
    size_digits: u8,
    /// Bytes of all chunks announced so far.
    total: usize,
    line_extension_bytes: usize,
    extension_bytes: usize,
    trailers: usize,
    trailer_bytes: usize,
    trailer_name: [u8; LONGEST_NAME],
    trailer_name_len: usize,
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
    pub fn new(limits: ChunkedLimits) -> Self {
        Self {
            limits,
            state: State::SizeStart,
            size: 0,
            size_digits: 0,
            total: 0,
            line_extension_bytes: 0,
            extension_bytes: 0,
            trailers: 0,
            trailer_bytes: 0,
            trailer_name: [0; LONGEST_NAME],
            trailer_name_len: 0,
        }
    }

    /// Decodes `input`, which starts where the part consumed by the last call ended. Returns how
    /// many of its bytes are consumed, and what they were. After [`ChunkedStep::Done`] it consumes
    /// nothing and returns the same.
    ///
    /// # Errors
    /// [`BodyError`] at the first byte that breaks a rule; the decoder must not be used afterwards.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, ChunkedStep), BodyError> {
        let mut at = 0;
        while self.state != State::Done {
            if self.state == State::Data {
                return Ok(self.data(at, input.len()));
            }
            let Some(&byte) = input.get(at) else {
                return Ok((at, ChunkedStep::NeedMore));
            };
            at += 1;
            self.state = self.step(byte)?;
        }
        Ok((at, ChunkedStep::Done))
    }

    /// The part of the current chunk that is in the input from `start` to `end`.
    fn data(&mut self, start: usize, end: usize) -> (usize, ChunkedStep) {
        if start == end {
            return (start, ChunkedStep::NeedMore);
        }
        let there = end - start;
        let taken = usize::try_from(self.size).map_or(there, |size| size.min(there));
        self.size -= taken as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
        (start + taken, ChunkedStep::Data(start..start + taken))
    }

    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match self.state {
            State::SizeStart | State::Size | State::SizeLf => self.size_step(byte),
            State::BeforeExtension
            | State::ExtensionStart
            | State::ExtensionName
            | State::AfterExtensionName
            | State::ValueStart
            | State::Value
            | State::Quoted
            | State::QuotedEscape
            | State::AfterQuoted => self.extension_step(byte),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                self.size = 0;
                self.size_digits = 0;
                self.line_extension_bytes = 0;
                Ok(State::SizeStart)
            }
            State::DataCr | State::DataLf => Err(BodyError::ChunkDataEnd),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::LastLf => self.trailer_step(byte),
            // `decode` handles these two without coming here.
            State::Data | State::Done => Ok(self.state),
        }
    }

    fn size_step(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::SizeLf, b'\n') => self.end_size_line(),
            (State::SizeLf, _) | (_, b'\n') => Err(BodyError::LineEnd),
            (State::Size, b'\r') => Ok(State::SizeLf),
            (State::Size, b';' | b' ' | b'\t') => self.extension_step(byte),
            (_, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(BodyError::ChunkSize)?;
                if self.size_digits == SIZE_DIGITS_MAX {
                    return Err(BodyError::ChunkSizeTooLong);
                }
                self.size_digits += 1;
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size)
            }
        }
    }

    /// The state after a complete size line.
    fn end_size_line(&mut self) -> Result<State, BodyError> {
        if self.size == 0 {
            return Ok(State::TrailerStart);
        }
        let total = usize::try_from(self.size)
            .ok()
            .and_then(|size| self.total.checked_add(size));
        match total {
            Some(total) if total <= self.limits.body_bytes_max => {
                self.total = total;
                Ok(State::Data)
            }
            _ => Err(BodyError::TooLarge),
        }
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`; whitespace at the end is not
    /// part of it.
    fn extension_step(&mut self, byte: u8) -> Result<State, BodyError> {
        match byte {
            b'\r' if self.extension_may_end() => return Ok(State::SizeLf),
            b'\r' => return Err(BodyError::ChunkExtension),
            b'\n' => return Err(BodyError::LineEnd),
            _ => {}
        }
        self.line_extension_bytes += 1;
        self.extension_bytes += 1;
        if self.line_extension_bytes > self.limits.line_extension_bytes_max
            || self.extension_bytes > self.limits.extension_bytes_max
        {
            return Err(BodyError::ChunkExtensionsTooLong);
        }
        let blank = matches!(byte, b' ' | b'\t');
        let token = is_token_byte(byte);
        Ok(match (self.state, byte) {
            (State::Quoted, b'"') => State::AfterQuoted,
            (State::Quoted, b'\\') => State::QuotedEscape,
            (State::Quoted | State::QuotedEscape, _) if is_text(byte) => State::Quoted,
            (State::ExtensionStart | State::ExtensionName, _) if token => State::ExtensionName,
            (State::ExtensionStart | State::ValueStart, _) if blank => self.state,
            (State::ValueStart, b'"') => State::Quoted,
            (State::ValueStart | State::Value, _) if token => State::Value,
            (
                State::ExtensionStart | State::ValueStart | State::Quoted | State::QuotedEscape,
                _,
            ) => return Err(BodyError::ChunkExtension),
            (State::ExtensionName | State::AfterExtensionName, b'=') => State::ValueStart,
            (_, b';') => State::ExtensionStart,
            (State::ExtensionName | State::AfterExtensionName, _) if blank => {
                State::AfterExtensionName
            }
            (_, _) if blank => State::BeforeExtension,
            _ => return Err(BodyError::ChunkExtension),
        })
    }

    fn extension_may_end(&self) -> bool {
        matches!(
            self.state,
            State::ExtensionName | State::Value | State::AfterQuoted
        )
    }

    fn trailer_step(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::LastLf, b'\n') => return Ok(State::Done),
            (State::LastLf, _) => return Err(BodyError::LineEnd),
            (State::TrailerStart, b'\r') => return Ok(State::LastLf),
            _ => {}
        }
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.limits.trailer_bytes_max {
            return Err(BodyError::TrailersTooLarge);
        }
        match (self.state, byte) {
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::TrailerLf, _) | (_, b'\n') => Err(BodyError::LineEnd),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_text(byte) => Ok(State::TrailerValue),
            (State::TrailerValue, _) => Err(BodyError::TrailerValue),
            (State::TrailerName, b':') => self.end_trailer_name(),
            (_, _) if is_token_byte(byte) => self.trailer_name_byte(byte),
            _ => Err(BodyError::TrailerName),
        }
    }

    fn trailer_name_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        if self.state == State::TrailerStart {
            if self.trailers == self.limits.trailers_max {
                return Err(BodyError::TrailersTooLarge);
            }
            self.trailers += 1;
            self.trailer_name_len = 0;
        }
        if let Some(place) = self.trailer_name.get_mut(self.trailer_name_len) {
            *place = byte;
        }
        self.trailer_name_len += 1;
        Ok(State::TrailerName)
    }

    fn end_trailer_name(&self) -> Result<State, BodyError> {
        let name = self.trailer_name.get(..self.trailer_name_len);
        match name.and_then(Field::named) {
            Some(_) => Err(BodyError::TrailerForbidden),
            None => Ok(State::TrailerValue),
        }
    }
}

/// A byte that a field value or a quoted string may contain: no control character but the tab
/// (RFC 9110 section 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
