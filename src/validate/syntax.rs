//! Locates and describes syntax errors. Off the fast path: simd-json detects that a text is invalid, but
//! its offset is exact for some errors and 0 for others. So an invalid text is parsed again, slowly, to
//! find the first error with a readable message.

use super::{
    error::{ErrorCode, RecordError, quote},
    lines,
};

/// The first error of a text that simd-json rejected, and the index of its element of the outer array (0
/// without one). The offset is relative to `json`, which must have no surrounding whitespace.
pub(super) fn first_error(json: &[u8], depth_max: usize) -> (usize, RecordError) {
    let valid_to = std::str::from_utf8(json).map_or_else(|error| error.valid_up_to(), str::len);
    let mut parser = SyntaxParser {
        json: &json[..valid_to],
        at: 0,
        depth_max,
        closers: Vec::new(),
        elements: 0,
    };
    let error = match (parser.text(), json.get(valid_to)) {
        (Err(error), _) if error.offset < valid_to => error,
        // Valid up to the first byte that is not UTF-8.
        (_, Some(byte)) => {
            let message = format!("expected UTF-8, found the byte 0x{byte:02X}");
            RecordError::new(valid_to, ErrorCode::InvalidUtf8, message)
        }
        (Err(error), None) => error,
        // simd-json and this parser would disagree; property tests search for such a text.
        (Ok(()), None) => bad_json(0, String::from("not JSON")),
    };
    (parser.elements, error)
}

fn bad_json(offset: usize, message: String) -> RecordError {
    RecordError::new(offset, ErrorCode::BadJson, message)
}

/// A parser of RFC 8259 that keeps open brackets on an explicit stack instead of recursing.
struct SyntaxParser<'a> {
    /// Already checked to be UTF-8.
    json: &'a [u8],
    at: usize,
    depth_max: usize,
    /// The closing bracket of each open container, outermost first.
    closers: Vec<u8>,
    /// Number of complete elements of the outer array.
    elements: usize,
}

impl SyntaxParser<'_> {
    fn text(&mut self) -> Result<(), RecordError> {
        if self.json.starts_with(b"\xEF\xBB\xBF") {
            let message = "unexpected byte order mark (RFC 8259 section 8.1)";
            return Err(bad_json(0, String::from(message)));
        }
        loop {
            let complete = self.value()?;
            if complete && !self.advance()? {
                return Ok(());
            }
        }
    }

    /// Reads a value, or the start of a non-empty container; returns whether the value is complete.
    fn value(&mut self) -> Result<bool, RecordError> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'{') => return self.open(b'}'),
            Some(b'[') => return self.open(b']'),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.expected("a value")),
        }
        Ok(true)
    }

    /// After a complete value: reads closing brackets and the comma; returns whether another value follows.
    fn advance(&mut self) -> Result<bool, RecordError> {
        loop {
            if self.closers == b"]" {
                self.elements += 1;
            }
            self.skip_whitespace();
            let Some(closer) = self.closers.last().copied() else {
                return match self.peek() {
                    None => Ok(false),
                    Some(_) => Err(self.expected("the end of the document")),
                };
            };
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_whitespace();
                    if self.peek() == Some(closer) {
                        return Err(self.expected("no trailing comma"));
                    }
                    if closer == b'}' {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(byte) if byte == closer => {
                    self.at += 1;
                    self.closers.pop();
                }
                _ if closer == b'}' => return Err(self.expected("`,` or `}`")),
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
    }

    /// Reads an opening bracket, and the closing one if the container is empty; returns whether it is empty.
    fn open(&mut self, closer: u8) -> Result<bool, RecordError> {
        if self.closers.len() == self.depth_max {
            let levels = self.depth_max;
            let message = format!("expected at most {levels} levels of arrays and objects");
            return Err(RecordError::new(self.at, ErrorCode::TooDeep, message));
        }
        self.at += 1;
        self.skip_whitespace();
        if self.peek() == Some(closer) {
            self.at += 1;
            return Ok(true);
        }
        self.closers.push(closer);
        if closer == b'}' {
            self.key()?;
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<(), RecordError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in quotation marks"));
        }
        self.string()?;
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:` after the key"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), RecordError> {
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.expected("the string's closing quotation mark")),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1F) => return Err(self.expected("control characters to be escaped")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), RecordError> {
        match self.json.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.utf16_unit(self.at).ok_or_else(|| self.bad_escape())?;
                self.at += match unit {
                    0xD800..=0xDBFF => match self.utf16_unit(self.at + 6) {
                        Some(0xDC00..=0xDFFF) => 12,
                        _ => return Err(self.expected("both halves of a surrogate pair")),
                    },
                    0xDC00..=0xDFFF => return Err(self.expected("a surrogate pair's first half")),
                    _ => 6,
                }
            }
            _ => return Err(self.bad_escape()),
        }
        Ok(())
    }

    /// The UTF-16 code unit of the `\uXXXX` at `at`, if there is one.
    fn utf16_unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        // from_str_radix would accept a sign.
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(())?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn bad_escape(&self) -> RecordError {
        self.expected(r#"one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#)
    }

    fn number(&mut self) -> Result<(), RecordError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.expected("no leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let digits = &self.json[start..self.at];
        let value = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<f64>().ok());
        if value.is_some_and(f64::is_infinite) {
            let found = quote(digits);
            let message = format!("expected a number that a 64-bit float can hold, found {found}");
            return Err(RecordError::new(
                start,
                ErrorCode::NumberOutOfRange,
                message,
            ));
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), RecordError> {
        let digits = self.json[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return Err(self.expected("a digit"));
        }
        self.at += digits;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), RecordError> {
        if !self.json[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected(&quote(word.as_bytes())));
        }
        self.at += word.len();
        Ok(())
    }

    fn skip_whitespace(&mut self) {
        self.at += lines::leading_whitespace(&self.json[self.at..]);
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// An error at the current position, quoting the rest of the line.
    fn expected(&self, what: &str) -> RecordError {
        let rest = &self.json[self.at..];
        let message = if rest.is_empty() {
            format!("expected {what}, found the end of the input")
        } else {
            let line = memchr::memchr(b'\n', rest).map_or(rest, |lf| &rest[..lf.max(1)]);
            format!("expected {what}, found {}", quote(line))
        };
        bad_json(self.at, message)
    }
}
