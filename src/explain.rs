//! The server's verdict on a body, told to a person: each fault with the line that it is in, as a
//! compiler does.

use std::fmt::Write as _;

use crate::{
    outcome::{Outcome, Refusal},
    validate::{Fault, Rejection},
};

/// Characters of the line that are shown before the fault, and from it on.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 40;

/// What is wrong with `body`, a block a fault. `name` is what the body is called.
pub fn faults(name: &str, body: &[u8], rejection: &Rejection) -> String {
    let mut text = String::new();
    for fault in &rejection.faults {
        block(&mut text, name, body, fault);
    }
    let untold = rejection.faults_total - rejection.faults.len();
    if untold > 0 {
        // Writing to a String never fails.
        let _ = writeln!(text, "… and {untold} more\n");
    }
    text
}

/// How many records are faulty, of how many, and what the server would answer; `good` ones would be
/// produced all the same.
pub fn summary(rejection: &Rejection, good: usize) -> String {
    let refusal = Outcome::Refused(Refusal::Invalid(rejection.clone()));
    let row = refusal.code().row();
    let answer = match good {
        0 => format!("the answer would be {} {}", row.status, row.name),
        _ => format!("the answer would be 207, accepted: {good}"),
    };
    match (rejection.records, rejection.faulty.len()) {
        (0, _) => format!("the records can't be counted; {answer}"),
        (1, _) => format!("the record is faulty; {answer}"),
        (records, 1) => format!("1 of {records} records is faulty; {answer}"),
        (records, faulty) => format!("{faulty} of {records} records are faulty; {answer}"),
    }
}

fn block(text: &mut String, name: &str, body: &[u8], fault: &Fault) {
    let Fault {
        index,
        line,
        column,
        path,
        code,
        expected,
        message,
        ..
    } = fault;
    let (excerpt, caret) = excerpt(body, fault);
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

/// The part of a fault's line that is around it, and how many characters are before the fault.
fn excerpt(body: &[u8], fault: &Fault) -> (String, usize) {
    let line_start = fault.offset - (fault.column - 1);
    let line_end = memchr::memchr(b'\n', &body[fault.offset..]);
    let line_end = line_end.map_or(body.len(), |newline| fault.offset + newline);
    // A line may have megabytes: no more of it is looked at than can be shown, 4 bytes a character.
    let before_start = line_start.max(fault.offset.saturating_sub(4 * (SHOWN_BEFORE + 1)));
    let after_end = line_end.min(fault.offset + 4 * (SHOWN_AFTER + 1));
    let before = visible(&body[before_start..fault.offset]);
    let after = visible(body[fault.offset..after_end].trim_ascii_end());

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

/// The characters of a text, a column each: what can't be seen or could steer a terminal is shown
/// as U+FFFD, and so is what is not UTF-8.
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
    use crate::validate::{FaultCode, RejectionKind, Span};

    /// A fault at a byte of a body.
    fn fault(body: &[u8], offset: usize) -> Fault {
        let before = &body[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n');
        Fault {
            index: 2,
            offset,
            line: before.split(|byte| *byte == b'\n').count(),
            column: offset - line_start.map_or(0, |newline| newline + 1) + 1,
            path: "$.id".to_owned(),
            code: FaultCode::WrongType,
            expected: Some("UInt64".to_owned()),
            message: "expected UInt64, found a string: `\"x\"`".to_owned(),
        }
    }

    fn rejection(faults: Vec<Fault>, records: usize, bad: usize) -> Rejection {
        Rejection {
            kind: RejectionKind::Invalid,
            faults_total: faults.len(),
            faults,
            records,
            faulty: vec![(0, Span { offset: 0, len: 0 }); bad],
        }
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let body = b"{\"id\":1}\n{\"id\":2}\n{\"id\":\"x\"}\n";
        let told = rejection(vec![fault(body, 24)], 3, 1);
        assert_eq!(
            faults("orders.ndjson", body, &told),
            r#"error[wrong_type]: expected UInt64, found a string: `"x"`
 --> orders.ndjson:3:7
  |
3 | {"id":"x"}
  |       ^ $.id (UInt64) of record 2

"#
        );
    }

    #[test]
    fn the_gutter_is_as_wide_as_the_number() {
        let body = [b"{}\n".repeat(9), b"7".to_vec()].concat();
        let mut there = fault(&body, 27);
        there.expected = None;
        let text = faults("-", &body, &rejection(vec![there], 10, 1));
        let expected = "  --> -:10:1\n   |\n10 | 7\n   | ^ $.id of record 2\n\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn long_lines_are_cut_just_beyond_what_is_shown() {
        for (before, after, expected) in [
            (SHOWN_BEFORE, SHOWN_AFTER, ("", "")),
            (SHOWN_BEFORE + 1, SHOWN_AFTER, ("…", "")),
            (SHOWN_BEFORE, SHOWN_AFTER + 1, ("", "…")),
            (SHOWN_BEFORE + 100_000, SHOWN_AFTER + 100_000, ("…", "…")),
        ] {
            for letter in ["a", "ü", "😀"] {
                let body = letter.repeat(before + after).into_bytes();
                let (text, caret) = excerpt(&body, &fault(&body, before * letter.len()));
                let shown = letter.repeat(SHOWN_BEFORE + SHOWN_AFTER);
                assert_eq!(text, format!("{}{shown}{}", expected.0, expected.1));
                assert_eq!(caret, SHOWN_BEFORE + expected.0.chars().count());
            }
        }
    }

    #[test]
    fn what_could_steer_a_terminal_does_not_reach_it() {
        let body = b"{\"a\x1b[31m\t\xff\xe2\x80\xaeb\": ]";
        let (text, caret) = excerpt(body, &fault(body, body.len() - 1));
        assert_eq!(text, "{\"a\u{FFFD}[31m \u{FFFD}\u{FFFD}b\": ]");
        assert_eq!(text.chars().nth(caret), Some(']'));
    }

    #[test]
    fn records_are_counted() {
        for (records, faulty, expected) in [
            (0, 1, "the records can't be counted; "),
            (1, 1, "the record is faulty; "),
            (2, 1, "1 of 2 records is faulty; "),
            (5, 2, "2 of 5 records are faulty; "),
        ] {
            let summary = summary(&rejection(vec![fault(b"{}", 0)], records, faulty), 0);
            assert_eq!(
                summary,
                format!("{expected}the answer would be 400 invalid_record")
            );
        }
        assert_eq!(
            summary(&rejection(vec![fault(b"{}", 0)], 5, 2), 3),
            "2 of 5 records are faulty; the answer would be 207, accepted: 3"
        );
    }

    #[test]
    fn faults_that_are_not_told_are_counted() {
        let mut told = rejection(vec![fault(b"{}", 0)], 1, 1);
        told.faults_total = 3;
        assert!(faults("-", b"{}", &told).ends_with("\n\n… and 2 more\n\n"));
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(
            body in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(0xC3)], 0..300),
            place in 0.0..=1.0_f64,
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a share of a small number")]
            let offset = (body.len() as f64 * place) as usize;
            let (text, caret) = excerpt(&body, &fault(&body, offset));
            prop_assert!(caret <= text.chars().count());
            prop_assert!(text.chars().count() <= SHOWN_BEFORE + SHOWN_AFTER + 2);
            prop_assert!(!text.contains(char::is_control));
        }
    }
}
