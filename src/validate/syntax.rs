//! Locates and describes syntax errors. Off the fast path: simd-json detects that a text is invalid, but
//! its offset is exact for some errors and 0 for others. So what it rejected is parsed again, slowly, to
//! find the first error with a readable message. This takes steps, as a long text takes long.

use super::{
    error::{ErrorCode, RecordError, quote},
    hint, lines,
};

/// The first error of a text that simd-json rejected. The offset is relative to `json`, which must have
/// no surrounding whitespace.
pub(super) fn first_error(json: &[u8], depth_max: usize) -> RecordError {
    let mut check = SyntaxCheck::of_text(depth_max);
    match check.advance(json, utf8_len(json), usize::MAX) {
        Some(Err(error)) => error,
        _ => no_error(),
    }
}

/// simd-json and this parser disagree; property tests search for such a text.
pub(super) fn no_error() -> RecordError {
    bad_json(0, String::from("not JSON"))
}

/// How many bytes of a text are UTF-8.
pub(super) fn utf8_len(json: &[u8]) -> usize {
    std::str::from_utf8(json).map_or_else(|error| error.valid_up_to(), str::len)
}

/// A check of RFC 8259 that can pause.
#[derive(Debug)]
pub(super) struct SyntaxCheck {
    /// The offset of the next byte.
    at: usize,
    depth_max: usize,
    /// The closing bracket of each open container, outermost first.
    closers: Vec<u8>,
    /// Number of complete elements of the outer array.
    elements: usize,
    /// The number of them at which the check ends.
    elements_max: usize,
    expects: Expects,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Value,
    /// What follows a complete value.
    Follower,
    /// The rest of a string.
    String,
    /// The rest of a key, and the colon.
    Key,
}

impl SyntaxCheck {
    /// Of a whole text.
    pub(super) fn of_text(depth_max: usize) -> Self {
        Self {
            at: 0,
            depth_max,
            closers: Vec::new(),
            elements: 0,
            elements_max: usize::MAX,
            expects: Expects::Value,
        }
    }

    /// Of the rest of a text that is an array, from the element at `at`, before which there are
    /// `elements` without an error.
    pub(super) fn of_elements(at: usize, elements: usize, depth_max: usize) -> Self {
        if elements == 0 {
            return Self::of_text(depth_max);
        }
        // From the comma before it.
        Self::of_follower(at - 1, elements, depth_max)
    }

    /// The same of the next element only, if there is one.
    pub(super) fn of_element(at: usize, elements: usize, depth_max: usize) -> Self {
        Self {
            elements_max: elements + 1,
            ..Self::of_elements(at, elements, depth_max)
        }
    }

    /// Of the rest of such a text behind its `elements`, the last of which ends at `at`.
    pub(super) fn of_follower(at: usize, elements: usize, depth_max: usize) -> Self {
        Self {
            at,
            closers: vec![b']'],
            // The last one is counted again.
            elements: elements - 1,
            expects: Expects::Follower,
            ..Self::of_text(depth_max)
        }
    }

    /// Number of complete elements of the outer array; 0 without one.
    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    /// Goes on for about `budget` bytes of `json`, of which `utf8_len` are UTF-8; `None` before the end.
    /// Returns the offset of the end.
    pub(super) fn advance(
        &mut self,
        json: &[u8],
        utf8_len: usize,
        budget: usize,
    ) -> Option<Result<usize, RecordError>> {
        let until = self.at.saturating_add(budget);
        let mut parser = SyntaxParser {
            json: &json[..utf8_len],
            until,
            check: self,
        };
        let result = parser.steps();
        Some(match (result?, json.get(utf8_len)) {
            (Err(error), _) if error.offset < utf8_len => Err(error),
            (Ok(end), _) if end < utf8_len => Ok(end),
            // Valid up to the first byte that is not UTF-8.
            (_, Some(byte)) => {
                let message = format!("expected UTF-8, found the byte 0x{byte:02X}");
                Err(RecordError::new(utf8_len, ErrorCode::InvalidUtf8, message))
            }
            (result, None) => result,
        })
    }
}

fn bad_json(offset: usize, message: String) -> RecordError {
    RecordError::new(offset, ErrorCode::BadJson, message)
}

/// A parser of RFC 8259 that keeps open brackets on an explicit stack instead of recursing.
struct SyntaxParser<'a> {
    /// Already checked to be UTF-8.
    json: &'a [u8],
    /// The offset at which it pauses.
    until: usize,
    check: &'a mut SyntaxCheck,
}

impl SyntaxParser<'_> {
    /// Parses until the end, an error or a pause.
    fn steps(&mut self) -> Option<Result<usize, RecordError>> {
        while self.check.at < self.until {
            match self.step() {
                Ok(false) => {}
                Ok(true) => return Some(Ok(self.check.at)),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    /// One value, part of a string, or what follows a value; returns whether that was the end.
    fn step(&mut self) -> Result<bool, RecordError> {
        match self.check.expects {
            Expects::Value => {
                if self.check.at == 0 && self.json.starts_with(b"\xEF\xBB\xBF") {
                    let message = "unexpected byte order mark (RFC 8259 section 8.1)";
                    return Err(bad_json(0, String::from(message)));
                }
                self.value()?;
            }
            Expects::Follower => return self.follower(),
            Expects::String => {
                if self.string()? {
                    self.check.expects = Expects::Follower;
                }
            }
            Expects::Key => {
                if self.string()? {
                    self.colon()?;
                    self.check.expects = Expects::Value;
                }
            }
        }
        Ok(false)
    }

    /// Reads a value, or the start of a string or of a container that is not empty.
    fn value(&mut self) -> Result<(), RecordError> {
        self.skip_whitespace();
        self.check.expects = Expects::Follower;
        match self.peek() {
            Some(b'{') => return self.open(b'}'),
            Some(b'[') => return self.open(b']'),
            Some(b'"') => {
                self.check.at += 1;
                self.check.expects = Expects::String;
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.no_value()),
        }
        Ok(())
    }

    /// After a complete value: reads a closing bracket or a comma; returns whether that was the end.
    fn follower(&mut self) -> Result<bool, RecordError> {
        if self.check.closers == b"]" {
            self.check.elements += 1;
            if self.check.elements == self.check.elements_max {
                return Ok(true);
            }
        }
        let value_end = self.check.at;
        self.skip_whitespace();
        let Some(closer) = self.check.closers.last().copied() else {
            return match self.peek() {
                None => Ok(true),
                Some(b'{' | b'[') => {
                    let hint = hint::of_another(&self.json[value_end..self.check.at]);
                    Err(self.expected("the end of the document").with_hint(hint))
                }
                Some(_) => Err(self.expected("the end of the document")),
            };
        };
        match self.peek() {
            Some(b',') => {
                self.check.at += 1;
                self.skip_whitespace();
                if self.peek() == Some(closer) {
                    return Err(self.expected("no trailing comma"));
                }
                self.check.expects = Expects::Value;
                if closer == b'}' {
                    self.key()?;
                }
            }
            Some(byte) if byte == closer => {
                self.check.at += 1;
                self.check.closers.pop();
            }
            _ if closer == b'}' => return Err(self.expected("`,` or `}`")),
            _ => return Err(self.expected("`,` or `]`")),
        }
        Ok(false)
    }

    /// Reads an opening bracket, and the closing one if the container is empty.
    fn open(&mut self, closer: u8) -> Result<(), RecordError> {
        if self.check.closers.len() == self.check.depth_max {
            let levels = self.check.depth_max;
            let message = format!("expected at most {levels} levels of arrays and objects");
            let error = RecordError::new(self.check.at, ErrorCode::TooDeep, message);
            return Err(error);
        }
        self.check.at += 1;
        self.skip_whitespace();
        if self.peek() == Some(closer) {
            self.check.at += 1;
            return Ok(());
        }
        self.check.closers.push(closer);
        self.check.expects = Expects::Value;
        if closer == b'}' {
            self.key()?;
        }
        Ok(())
    }

    /// Reads the start of a key.
    fn key(&mut self) -> Result<(), RecordError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in quotation marks"));
        }
        self.check.at += 1;
        self.check.expects = Expects::Key;
        Ok(())
    }

    fn no_value(&self) -> RecordError {
        let error = self.expected("a value");
        match hint::of_start(self.json) {
            Some(hint) if self.check.at == 0 => error.with_hint(hint),
            _ => error,
        }
    }

    fn colon(&mut self) -> Result<(), RecordError> {
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:` after the key"));
        }
        self.check.at += 1;
        Ok(())
    }

    /// Reads the rest of a string, up to the pause; returns whether it is complete.
    fn string(&mut self) -> Result<bool, RecordError> {
        while self.check.at < self.until {
            let until = self.until.min(self.json.len());
            self.check.at += plain_len(&self.json[self.check.at..until]);
            if self.check.at == self.until {
                break;
            }
            match self.peek() {
                None => return Err(self.expected("the string's closing quotation mark")),
                Some(b'"') => {
                    self.check.at += 1;
                    return Ok(true);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.expected("control characters to be escaped")),
            }
        }
        Ok(false)
    }

    fn escape(&mut self) -> Result<(), RecordError> {
        match self.json.get(self.check.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.check.at += 2,
            Some(b'u') => {
                let unit = self
                    .utf16_unit(self.check.at)
                    .ok_or_else(|| self.bad_escape())?;
                self.check.at += match unit {
                    0xD800..=0xDBFF => match self.utf16_unit(self.check.at + 6) {
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
        let start = self.check.at;
        self.check.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.check.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.expected("no leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.check.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.check.at += 1;
            self.check.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let digits = &self.json[start..self.check.at];
        if is_infinite(digits) {
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
        let digits = self.json[self.check.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return Err(self.expected("a digit"));
        }
        self.check.at += digits;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), RecordError> {
        if !self.json[self.check.at..].starts_with(word.as_bytes()) {
            return Err(self.expected(&quote(word.as_bytes())));
        }
        self.check.at += word.len();
        Ok(())
    }

    fn skip_whitespace(&mut self) {
        self.check.at += lines::leading_whitespace(&self.json[self.check.at..]);
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.check.at).copied()
    }

    /// An error at the current position, quoting the rest of the line.
    fn expected(&self, what: &str) -> RecordError {
        let rest = &self.json[self.check.at..];
        let message = if rest.is_empty() {
            format!("expected {what}, found the end of the input")
        } else {
            let line = memchr::memchr(b'\n', rest).map_or(rest, |lf| &rest[..lf.max(1)]);
            format!("expected {what}, found {}", quote(line))
        };
        bad_json(self.check.at, message)
    }
}

/// The number of leading bytes of a string that are neither its end, nor escaped, nor to be escaped.
fn plain_len(text: &[u8]) -> usize {
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    lines::leading(text, is_plain)
}

/// The digits of the shortest integer beyond a 64-bit float, or fewer.
const DIGITS_MIN: usize = 300;

/// Whether a number is beyond a 64-bit float.
fn is_infinite(number: &[u8]) -> bool {
    // Without an exponent, so many digits before the point are needed.
    let whole = number
        .iter()
        .take_while(|byte| !matches!(byte, b'.' | b'e' | b'E'));
    if whole.take(DIGITS_MIN).count() < DIGITS_MIN
        && !number.iter().any(|byte| matches!(byte, b'e' | b'E'))
    {
        return false;
    }
    let number = std::str::from_utf8(number).unwrap_or_default();
    number.parse::<f64>().is_ok_and(f64::is_infinite)
}
