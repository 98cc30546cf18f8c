//! Validation results of a body for humans: each error with its line, in the style of a compiler.

use std::fmt::Write as _;

use crate::{
    outcome::{Outcome, Refusal},
    validate::{Counting, Rejection, ValidationError},
};

/// Maximum characters of the line shown before the error, and from it on.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 40;

/// The errors of `body`, one block each. `name` is the file name shown.
pub fn errors(name: &str, body: &[u8], rejection: &Rejection) -> String {
    let mut text = String::new();
    for error in &rejection.errors {
        block(&mut text, name, body, error);
    }
    let omitted = rejection.errors_total - rejection.errors.len();
    if omitted > 0 {
        // Writing to a String never fails.
        let least = match rejection.counting {
            Counting::Complete => "",
            Counting::EndedEarly => "at least ",
        };
        let _ = writeln!(text, "… and {least}{omitted} more\n");
    }
    text
}

/// How many records are invalid, and what the server would answer; `valid` records would be produced
/// nevertheless.
pub fn summary(rejection: &Rejection, valid: usize) -> String {
    let refusal = Outcome::Refused(Refusal::Invalid(rejection.clone()));
    let row = refusal.code().row();
    let response = match valid {
        0 => format!("the server would respond {} {}", row.status, row.name),
        _ => format!("the server would respond 207, accepted: {valid}"),
    };
    match (rejection.records, rejection.invalid_records.len()) {
        (0, _) => format!("the number of records is unknown; {response}"),
        (1, _) => format!("the record is invalid; {response}"),
        (records, 1) => format!("1 of {records} records is invalid; {response}"),
        (records, invalid) => format!("{invalid} of {records} records are invalid; {response}"),
    }
}

fn block(text: &mut String, name: &str, body: &[u8], error: &ValidationError) {
    let ValidationError {
        index,
        line,
        column,
        path,
        code,
        expected,
        message,
        ..
    } = error;
    let (excerpt, caret) = excerpt(body, error);
    let gutter = line.to_string().len();
    let blank = "";
    let expected = expected.as_ref().map(|it| format!(" ({it})"));
    // Writing to a String never fails.
    let _ = writeln!(
        text,
        "error[{}]: {message}\n\
         {blank:gutter$}--> {name}:{line}:{column}\n\
         {blank:gutter$} |\n\
         {line} | {excerpt}\n\
         {blank:gutter$} | {blank:caret$}^ {path}{} of record {index}\n",
        code.as_str(),
        expected.unwrap_or_default(),
    );
}

/// The part of the line around an error, and the number of characters before the error.
fn excerpt(body: &[u8], error: &ValidationError) -> (String, usize) {
    let line_start = error.offset - (error.column - 1);
    let line_end = memchr::memchr(b'\n', &body[error.offset..]);
    let line_end = line_end.map_or(body.len(), |newline| error.offset + newline);
    // A line may have megabytes: only what can be shown is decoded, at up to 4 bytes per character.
    let before_start = line_start.max(error.offset.saturating_sub(4 * (SHOWN_BEFORE + 1)));
    let after_end = line_end.min(error.offset + 4 * (SHOWN_AFTER + 1));
    let before = visible(&body[before_start..error.offset]);
    let after = visible(body[error.offset..after_end].trim_ascii_end());

    let skipped = before.len().saturating_sub(SHOWN_BEFORE);
    let mut excerpt = String::new();
    let mut caret = before.len() - skipped;
    if skipped > 0 || before_start > line_start {
        excerpt.push('…');
        caret += 1;
    }
    excerpt.extend(&before[skipped..]);
    excerpt.extend(after.iter().take(SHOWN_AFTER));
    if after.len() > SHOWN_AFTER || after_end < line_end {
        excerpt.push('…');
    }
    (excerpt, caret)
}

/// The characters of a text, one column each. Invisible and control characters, and bytes that are not
/// UTF-8, are replaced with U+FFFD.
fn visible(text: &[u8]) -> Vec<char> {
    let is_plain =
        |char: &char| matches!(char, '"' | '\'' | '\\') || char.escape_debug().len() == 1;
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().map(|char| match char {
        '\t' => ' ',
        _ if is_plain(&char) => char,
        _ => char::REPLACEMENT_CHARACTER,
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::validate::{ErrorCode, RejectionKind, Span};

    /// An error at a byte offset of a body.
    fn error(body: &[u8], offset: usize) -> ValidationError {
        let before = &body[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n');
        ValidationError {
            index: 2,
            offset,
            line: before.split(|byte| *byte == b'\n').count(),
            column: offset - line_start.map_or(0, |newline| newline + 1) + 1,
            path: "$.id".to_owned(),
            code: ErrorCode::WrongType,
            expected: Some("UInt64".to_owned()),
            message: "expected UInt64, found a string: `\"x\"`".to_owned(),
        }
    }

    fn rejection(errors: Vec<ValidationError>, records: usize, invalid: usize) -> Rejection {
        Rejection {
            kind: RejectionKind::Invalid,
            errors_total: errors.len(),
            errors,
            counting: Counting::Complete,
            records,
            invalid_records: vec![(0, Span { offset: 0, len: 0 }); invalid],
        }
    }

    #[test]
    fn an_error_is_shown_with_its_line() {
        let body = b"{\"id\":1}\n{\"id\":2}\n{\"id\":\"x\"}\n";
        let rejection = rejection(vec![error(body, 24)], 3, 1);
        assert_eq!(
            errors("orders.ndjson", body, &rejection),
            r#"error[wrong_type]: expected UInt64, found a string: `"x"`
 --> orders.ndjson:3:7
  |
3 | {"id":"x"}
  |       ^ $.id (UInt64) of record 2

"#
        );
    }

    #[test]
    fn the_gutter_is_as_wide_as_the_line_number() {
        let body = [b"{}\n".repeat(9), b"7".to_vec()].concat();
        let mut error = error(&body, 27);
        error.expected = None;
        let text = errors("-", &body, &rejection(vec![error], 10, 1));
        let expected = "  --> -:10:1\n   |\n10 | 7\n   | ^ $.id of record 2\n\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn long_lines_are_truncated() {
        for (before, after, expected) in [
            (SHOWN_BEFORE, SHOWN_AFTER, ("", "")),
            (SHOWN_BEFORE + 1, SHOWN_AFTER, ("…", "")),
            (SHOWN_BEFORE, SHOWN_AFTER + 1, ("", "…")),
            (SHOWN_BEFORE + 100_000, SHOWN_AFTER + 100_000, ("…", "…")),
        ] {
            for letter in ["a", "ü", "😀"] {
                let body = letter.repeat(before + after).into_bytes();
                let (text, caret) = excerpt(&body, &error(&body, before * letter.len()));
                let shown = letter.repeat(SHOWN_BEFORE + SHOWN_AFTER);
                assert_eq!(text, format!("{}{shown}{}", expected.0, expected.1));
                assert_eq!(caret, SHOWN_BEFORE + expected.0.chars().count());
            }
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        let body = b"{\"a\x1b[31m\t\xff\xe2\x80\xaeb\": ]";
        let (text, caret) = excerpt(body, &error(body, body.len() - 1));
        assert_eq!(text, "{\"a\u{FFFD}[31m \u{FFFD}\u{FFFD}b\": ]");
        assert_eq!(text.chars().nth(caret), Some(']'));
    }

    #[test]
    fn records_are_counted() {
        for (records, invalid, expected) in [
            (0, 1, "the number of records is unknown; "),
            (1, 1, "the record is invalid; "),
            (2, 1, "1 of 2 records is invalid; "),
            (5, 2, "2 of 5 records are invalid; "),
        ] {
            let summary = summary(&rejection(vec![error(b"{}", 0)], records, invalid), 0);
            assert_eq!(
                summary,
                format!("{expected}the server would respond 400 invalid_record")
            );
        }
        assert_eq!(
            summary(&rejection(vec![error(b"{}", 0)], 5, 2), 3),
            "2 of 5 records are invalid; the server would respond 207, accepted: 3"
        );
    }

    #[test]
    fn omitted_errors_are_counted() {
        let mut rejection = rejection(vec![error(b"{}", 0)], 1, 1);
        rejection.errors_total = 3;
        assert!(errors("-", b"{}", &rejection).ends_with("\n\n… and 2 more\n\n"));
    }

    proptest! {
        #[test]
        fn any_offset_of_any_text_can_be_shown(
            body in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(0xC3)], 0..300),
            share in 0.0..=1.0_f64,
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a share of a small number")]
            let offset = (body.len() as f64 * share) as usize;
            let (text, caret) = excerpt(&body, &error(&body, offset));
            prop_assert!(caret <= text.chars().count());
            prop_assert!(text.chars().count() <= SHOWN_BEFORE + SHOWN_AFTER + 2);
            prop_assert!(!text.contains(char::is_control));
        }
    }
}
