//! Paths as ringest writes them, read back: `$.items[3]['a b']` (RFC 9535 section 2.7, but that
//! plain names follow a dot).

use crate::reference::rules::{Path, Step};

/// Characters of a key that a path shows; of a longer one the first, and `…`.
const KEY_CHARS_MAX: usize = 64;

/// A path with its keys as far as they are shown. No name that a model declares is that long.
pub(crate) fn shown(path: &Path) -> Path {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) if key.chars().count() > KEY_CHARS_MAX => {
            let head: String = key.chars().take(KEY_CHARS_MAX).collect();
            Step::Key(format!("{head}…"))
        }
        step => step.clone(),
    });
    steps.collect()
}

/// Panics at what is no path.
pub(crate) fn parse(text: &str) -> Path {
    let mut path = Path::new();
    let mut rest = text.strip_prefix('$').expect("a path begins at the root");
    while !rest.is_empty() {
        let (step, behind) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let is_plain = |it: char| it.is_alphanumeric() || it == '_';
            let (name, behind) = name.split_at(end);
            assert!(!name.is_empty() && name.chars().all(is_plain), "{text}");
            (Step::Key(name.to_owned()), behind)
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let (name, behind) = quoted_name(quoted);
            (Step::Key(name), behind)
        } else {
            let inside = rest.strip_prefix('[').expect("a step");
            let (index, behind) = inside.split_once(']').expect("a closing bracket");
            (Step::Index(index.parse().expect("an index")), behind)
        };
        path.push(step);
        rest = behind;
    }
    path
}

/// Up to `']`, and what is behind that.
fn quoted_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().expect("a closing quote") {
            '\'' => break,
            '\\' => name.push(match chars.next().expect("what is escaped") {
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).expect("four digits");
                    char::from_u32(code).expect("a character")
                }
                other => other,
            }),
            char => name.push(char),
        }
    }
    let behind = chars.as_str().strip_prefix(']').expect("a closing bracket");
    (name, behind)
}
