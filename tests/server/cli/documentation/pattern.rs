//! What an example shows of an output: `…` stands for any text, JSON is compared as JSON.

use serde_json::Value;

/// Text that is left out of an example.
const ANY: &str = "…";

/// Whether `text` is `pattern`, with anything in place of each [`ANY`].
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANY);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether a value is the expected one, with any text in place of each [`ANY`].
fn fits_json(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::String(pattern), Value::String(text)) => fits(pattern, text),
        (Value::Array(patterns), Value::Array(values)) => {
            patterns.len() == values.len()
                && (patterns.iter().zip(values)).all(|(pattern, value)| fits_json(pattern, value))
        }
        (Value::Object(patterns), Value::Object(values)) => {
            let fits = |(name, pattern)| values.get(name).is_some_and(|it| fits_json(pattern, it));
            patterns.len() == values.len() && patterns.iter().all(fits)
        }
        _ => pattern == value,
    }
}

pub(super) fn is_printed(expected: &str, printed: &str) -> bool {
    match (
        serde_json::from_str(expected),
        serde_json::from_str(printed),
    ) {
        (Ok(expected), Ok(printed)) => fits_json(&expected, &printed),
        _ => fits(expected, printed),
    }
}
