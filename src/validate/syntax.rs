//! Where and why a text is refused. Off the fast path: simd-json knows that something is wrong, but
//! its offset is exact for some errors and 0 for others. So a refused text is read once more, slowly,
//! to find the first fault in the order of the text, with words for a person.

use super::{
    fault::{Cause, FaultCode, quote},
    lines,
};

/// The first fault of a text that simd-json refused, and the element of the outer array it is in (0
/// without one). The offset is one of `json`, which has no whitespace around it.
pub(super) fn explain(json: &[u8], depth_max: usize) -> (usize, Cause) {
    let valid_to = std::str::from_utf8(json).map_or_else(|error| error.valid_up_to(), str::len);
    let mut reader = Reader {
        json: &json[..valid_to],
        at: 0,
        depth_max,
        closers: Vec::new(),
        elements: 0,
    };
    let cause = match (reader.text(), json.get(valid_to)) {
        (Err(cause), _) if cause.offset < valid_to => cause,
        // All is well up to the byte that is no UTF-8.
        (_, Some(byte)) => {
            let message = format!("expected UTF-8, found the byte 0x{byte:02X}");
            Cause::new(valid_to, FaultCode::InvalidUtf8, message)
        }
        (Err(cause), None) => cause,
        // simd-json and this reader would disagree; the property tests look for such a text.
        (Ok(()), None) => bad_json(0, String::from("not JSON")),
    };
    (reader.elements, cause)
}

fn bad_json(offset: usize, message: String) -> Cause {
    Cause::new(offset, FaultCode::BadJson, message)
}

/// A reader of RFC 8259 that keeps the open brackets in a list instead of recursing.
struct Reader<'a> {
    /// UTF-8, as it is checked beforehand.
    json: &'a [u8],
    at: usize,
    depth_max: usize,
    /// The bracket that each open container waits for, outermost first.
    closers: Vec<u8>,
    /// Elements of the outer array that are complete.
    elements: usize,
}

impl Reader<'_> {
    fn text(&mut self) -> Result<(), Cause> {
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

    /// Reads a value, or the opening of a container that has children: then it is not complete.
    fn value(&mut self) -> Result<bool, Cause> {
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

    /// After a complete value: closes what closes; false at the end of the text, else a value is next.
    fn advance(&mut self) -> Result<bool, Cause> {
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

    /// Reads an opening bracket, and the closing one if the container is empty: then it is complete.
    fn open(&mut self, closer: u8) -> Result<bool, Cause> {
        if self.closers.len() == self.depth_max {
            let levels = self.depth_max;
            let message = format!("expected at most {levels} levels of arrays and objects");
            return Err(Cause::new(self.at, FaultCode::TooDeep, message));
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

    fn key(&mut self) -> Result<(), Cause> {
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

    fn string(&mut self) -> Result<(), Cause> {
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

    fn escape(&mut self) -> Result<(), Cause> {
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

    /// The unit of the `\uXXXX` at `at`, if that is there.
    fn utf16_unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        // from_str_radix would take a sign.
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(())?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn bad_escape(&self) -> Cause {
        self.expected(r#"one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#)
    }

    fn number(&mut self) -> Result<(), Cause> {
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
            return Err(Cause::new(start, FaultCode::NumberOutOfRange, message));
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Cause> {
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

    fn literal(&mut self, word: &str) -> Result<(), Cause> {
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

    /// The fault that something else is at `at`, told with the rest of its line.
    fn expected(&self, what: &str) -> Cause {
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
