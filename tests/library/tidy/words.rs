//! Words that the project does not use, each with what it writes instead.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::{sizes::is_manual, source::Source};

/// Patterns of whole words, whatever their case; names of the code are read word by word, so
/// `JudgedBody` and `judged_body` are both "judged body".
const WORDS: [(&str, &str); 19] = [
    (
        r"judge[sd]?|judging|judgements?|verdicts?",
        "validate, result",
    ),
    (r"letters", "dead letters"),
    (r"strangers?", "unauthenticated clients"),
    (r"whoever", "the client"),
    (r"who may send", "authentication, authorization"),
    (r"(a|its|their|whose) turns?", "verification slot"),
    (r"(is|are|was|were) not taken", "accepted, rejected"),
    (r"what (is|was) served( by)?", "the active configuration"),
    (r"told|tells?|telling", "reported, report"),
    (r"(take|takes|taking|taken|took) down", "records"),
    (r"faulty", "invalid"),
    (r"no integers?", "not an integer"),
    (r"(is|are) there twice", "duplicate"),
    (r"of no use", "has no effect"),
    (
        r"(number|numbers) of (a|the|its) schemas?|schema( s)? numbers?",
        "schema ID",
    ),
    (r"scouts?", "partition probe"),
    (r"strays?", "unknown report"),
    (r"shipments?", "batch"),
    (r"not reloaded", "reload failed"),
];

/// Phrases in which such a word is the right one.
const LEGITIMATE: &str = r"(told|tell|tells) apart|letters in either case|dead[ -]letters|(capital|upper case|lower case|small) letters|letters,? (and|or) digits|letters, digits";

pub(crate) const GLOSSARY: &str = "the glossary";

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let pattern = |(words, instead)| (whole_words(words), instead);
    WORDS.map(pattern).into()
});
static EXCEPTIONS: LazyLock<Regex> = LazyLock::new(|| whole_words(LEGITIMATE));

pub(crate) fn check(source: &Source, report: &mut dyn FnMut(usize, &'static str, String)) {
    if !source.is_in_crate() && !is_manual(&source.path) {
        return;
    }
    for (number, line) in source.text.lines().enumerate() {
        let line = separate(line);
        let line = EXCEPTIONS.replace_all(&line, "");
        for (pattern, instead) in &*PATTERNS {
            if let Some(found) = pattern.find(&line) {
                let detail = format!("\"{}\": write \"{instead}\"", found.as_str());
                report(number + 1, GLOSSARY, detail);
            }
        }
    }
}

fn whole_words(pattern: &str) -> Regex {
    RegexBuilder::new(&format!(r"\b(?:{pattern})\b"))
        .case_insensitive(true)
        .build()
        .expect("a pattern")
}

/// Names fall apart into their words.
fn separate(line: &str) -> String {
    let mut words = String::with_capacity(line.len() + 8);
    let mut before = ' ';
    for character in line.chars() {
        if before.is_lowercase() && character.is_uppercase() {
            words.push(' ');
        }
        words.push(if matches!(character, '_' | '\'' | '`') {
            ' '
        } else {
            character
        });
        before = character;
    }
    words
}
