//! JSON in every spelling that RFC 8259 knows, as text: what the gateway must not touch.

use std::ops::Range;

use proptest::{collection::vec, prelude::*};

/// Any JSON object, with up to `fill` bytes more than what the other members take.
pub(crate) fn object(fill: Range<usize>) -> impl Strategy<Value = String> {
    (members(value()), filler(fill), space()).prop_map(|(mut members, filler, inside)| {
        members.extend(filler);
        let members = members.join(",");
        format!("{{{inside}{members}}}")
    })
}

/// Whitespace around a value (RFC 8259 section 2); mostly none.
pub(crate) fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "null|true|false",
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        // Far beyond 64 bits, just within a double's range.
        "-?[1-9][0-9]{20,300}",
        string(),
        nested(),
    ];
    scalar.prop_recursive(5, 32, 5, |value| {
        let array = (vec((space(), value.clone(), space()), 0..5), space());
        let array = array.prop_map(|(elements, inside)| {
            let elements = elements
                .iter()
                .map(|(a, value, b)| format!("{a}{value}{b}"));
            format!("[{inside}{}]", elements.collect::<Vec<_>>().join(","))
        });
        let object = (members(value), space())
            .prop_map(|(members, inside)| format!("{{{inside}{}}}", members.join(",")));
        prop_oneof![array, object]
    })
}

/// Members of an object, not seldom with the same key.
fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    let key = prop_oneof![
        string(),
        Just(r#""same""#.to_owned()),
        Just(r#""""#.to_owned())
    ];
    let member = (space(), key, space(), space(), value, space());
    let member = member.prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    vec(member, 0..5)
}

/// Arrays or objects around one another, deeper than any recursion of these tests goes.
fn nested() -> impl Strategy<Value = String> {
    (any::<bool>(), 1..100_usize).prop_map(|(array, depth)| {
        let (open, close) = if array { ("[", "]") } else { ("{\"\":", "}") };
        format!("{}{}{}", open.repeat(depth), "0", close.repeat(depth))
    })
}

/// A string literal: any character as itself or escaped, in each way that there is.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(|char| match char {
            '"' | '\\' | '\0'..='\x1f' => escaped(char, false),
            other => other.to_string(),
        }),
        2 => (any::<char>(), any::<bool>()).prop_map(|(char, upper)| escaped(char, upper)),
        2 => r#"\\["\\/bfnrt]"#,
        1 => "[ -!#-\\[\\]-~]{0,40}",
        1 => "[\\[\\]{}:,]{0,6}",
    ];
    vec(piece, 0..10).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// `\u` escapes, two for a character beyond the basic plane.
fn escaped(char: char, upper: bool) -> String {
    let units = char.encode_utf16(&mut [0; 2]).to_vec();
    let unit = |unit: u16| {
        if upper {
            format!("\\u{unit:04X}")
        } else {
            format!("\\u{unit:04x}")
        }
    };
    units.into_iter().map(unit).collect()
}

/// A member of about so many bytes, if of any.
fn filler(bytes: Range<usize>) -> impl Strategy<Value = Option<String>> {
    let long = (bytes, 0..4_usize, any::<u8>()).prop_map(|(bytes, kind, seed)| {
        let piece = match kind {
            0 => format!("{seed:02x}"),
            1 => format!("\\u00{seed:02x}"),
            2 => "😀\\\"é".to_owned(),
            _ => " ".to_owned(),
        };
        let text = piece.repeat(bytes / piece.len());
        // Of spaces, those between tokens: as many to keep, and no string to find them in.
        let member = if kind == 3 {
            format!("\"fill\":{text}[]{text}")
        } else {
            format!("\"fill\":\"{text}\"")
        };
        Some(member)
    });
    prop_oneof![3 => Just(None), 1 => long]
}
