//! What the client of a body that is not JSON most likely did, and what to do instead.

use memchr::memmem;

/// The bytes of a long text that are looked at.
const LOOKED_AT_BYTES: usize = 64 << 10;

const LINES: &str =
    "one record per line is NDJSON: send it with Content-Type: application/x-ndjson";

const JOINED: &str = "for one record per line the line ends are missing: curl -d removes them, use \
                      --data-binary with Content-Type: application/x-ndjson";

const FORM: &str = "this looks like a form: send JSON, with Content-Type: application/json";

const PERCENT_ENCODED: &str =
    "this looks percent-encoded, as by curl --data-urlencode: send the JSON itself";

/// Where another document begins behind a text, with these bytes between them.
pub(super) fn of_another(between: &[u8]) -> &'static str {
    if between.contains(&b'\n') {
        LINES
    } else {
        JOINED
    }
}

/// Where a text that begins with an object is too long for a record.
pub(super) fn of_long(text: &[u8]) -> Option<&'static str> {
    let text = &text[..text.len().min(LOOKED_AT_BYTES)];
    // None of these is in valid JSON, but for the end of a string.
    let has = |end_and_begin: &[u8]| memmem::find(text, end_and_begin).is_some();
    if has(b"}\n{") || has(b"}\r\n{") {
        Some(LINES)
    } else if has(b"}{\"") {
        Some(JOINED)
    } else {
        None
    }
}

/// Where a text does not begin with a value.
pub(super) fn of_start(text: &[u8]) -> Option<&'static str> {
    if text.first_chunk() == Some(b"%7B") || text.first_chunk() == Some(b"%5B") {
        return Some(PERCENT_ENCODED);
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._%+[]".contains(byte);
    let name = text.iter().take_while(|byte| is_name(byte)).count();
    (name > 0 && text.get(name) == Some(&b'=')).then_some(FORM)
}
