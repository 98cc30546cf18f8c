//! Random scalars as they are written: such as fit their type, and such as just don't.

use num_bigint::BigInt;

use super::{choices::Choices, values::Value};
use crate::reference::{texts, types::Type};

/// Text of one, two, three and four bytes, and what JSON must escape.
const TEXTS: [&str; 10] = [
    "",
    "a",
    "null",
    "7",
    "héllo",
    "€",
    "😀",
    "line\nbreak",
    "\"quoted\\",
    "\0",
];

/// Characters that one of the grammars knows, or that look like one.
const CHARACTERS: [char; 32] = [
    '0', '1', '5', '9', '-', '+', '.', ':', 'T', 't', 'Z', 'z', ' ', 'e', 'E', 'a', 'f', 'F', 'g',
    '{', '}', '_', 'x', 'n', 'i', '\n', '\t', '\0', '５', '٣', '−', '\u{212a}',
];

/// A value of a scalar type.
pub(crate) fn valid(choices: &mut Choices<'_>, type_: &Type) -> Value {
    match type_ {
        Type::Bool => Value::Raw(choices.of(&["true", "false"]).to_owned()),
        Type::Integer { .. } | Type::Float | Type::Decimal if choices.below(2) == 0 => {
            Value::Raw(number(choices, type_))
        }
        Type::Enum(members) if choices.once_in(3) => {
            Value::Raw(members[choices.below(members.len())].1.to_string())
        }
        _ => Value::Text(text(choices, type_)),
    }
}

/// A value that is one step away from a valid one: often wrong, not always.
pub(crate) fn near(choices: &mut Choices<'_>, type_: &Type) -> Value {
    match (type_, choices.below(4)) {
        (Type::Integer { signed, bits }, 0) => {
            let range = texts::range(*signed, *bits);
            let edge: BigInt = match choices.below(4) {
                0 => range.end() + 1,
                1 => range.start() - 1,
                2 => range.end() * 10,
                _ => range.start() * 10 - 1,
            };
            if choices.below(2) == 0 {
                Value::Raw(edge.to_string())
            } else {
                Value::Text(edge.to_string())
            }
        }
        (Type::Integer { .. } | Type::Float | Type::Decimal, 1) => {
            let spelled = [
                "-0", "1.0", "1e2", "1E2", "0.0", "-0.0", "1.5e-3", "1e39", "5e-400",
            ];
            Value::Raw(choices.of(&spelled).to_owned())
        }
        (Type::Enum(members), 0) => {
            let number = members[choices.below(members.len())].1;
            let step = choices.of(&[-1, 1, 65_536, -65_536]);
            let behind = choices.of(&["", "", "", ".0", "e0"]);
            Value::Raw(format!("{}{behind}", number + step))
        }
        (Type::Enum(members), 1) => {
            Value::Text(members[choices.below(members.len())].1.to_string())
        }
        (Type::FixedString(bytes), 0) => {
            let text = choices.of(&["a", "é", "€", "😀"]);
            Value::Text(text.repeat(bytes / text.len() + 1))
        }
        (_, 2) if !edges(type_).is_empty() => Value::Text(choices.of(edges(type_)).to_owned()),
        _ => {
            let text = text(choices, type_);
            Value::Text(edited(choices, &text))
        }
    }
}

/// Texts on both sides of what a type allows, some of which no single edit leads to.
fn edges(type_: &Type) -> &'static [&'static str] {
    match type_ {
        Type::Integer { .. } => &["-0", "00", "+1", "1.0", "1e2", " 1", "", "-", "--1", "1\n"],
        Type::Float => &[
            "infin", "1e", "1e+", ".", "+", "-.e1", "0x1p3", "1_0", "nan1", "ınf",
        ],
        Type::Decimal => &["1e5", "+1", ".5", "1.", "NaN", "--1", "1.2.3", "५"],
        Type::Date => &[
            "2023-02-29",
            "1900-02-29",
            "2000-02-29",
            "0000-02-29",
            "2023-04-31",
            "2023-00-10",
            "2023-13-10",
            "2023-01-00",
            "2023-1-01",
            "12023-01-01",
            "2023-01-01T00:00:00Z",
        ],
        Type::DateTime => &[
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T23:60:00Z",
            "2024-01-01T23:59:61Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+23:60",
            "2024-01-01T00:00:00+0000",
            "2024-01-01T00:00:00",
            "2024-01-01  00:00:00Z",
            "2024-01-01",
            "1700000000",
            "2024-01-01T00:00:00−01:00",
        ],
        Type::Uuid => &[
            "URN:UUID:550e8400-e29b-41d4-a716-446655440000",
            "urn:uuid:550e8400e29b41d4a716446655440000",
            "{550e8400e29b41d4a716446655440000}",
            "{550e8400-e29b-41d4-a716-446655440000",
            "{urn:uuid:550e8400-e29b-41d4-a716-446655440000}",
            "550e8400e-29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716-44665544000g",
        ],
        Type::Ipv4 => &[
            "256.0.0.1",
            "0.0.0.256",
            "0000.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            "::1",
        ],
        Type::Ipv6 => &[
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7::",
            "1::2::3",
            "00001::",
            ":::",
            ":",
            "::1.2.3",
            "::01.2.3.4",
            "::256.2.3.4",
            "1.2.3.4::",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5::1.2.3.4",
            "1.2.3.4",
            "fe80::1%eth0",
            "[::1]",
            "::/64",
        ],
        _ => &[],
    }
}

/// One character more, less or other.
fn edited(choices: &mut Choices<'_>, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = choices.below(characters.len() + 1);
    let character = choices.of(&CHARACTERS);
    match choices.below(4) {
        0 if place < characters.len() => characters[place] = character,
        1 if place < characters.len() => {
            characters.remove(place);
        }
        2 if place < characters.len() => characters.insert(place, characters[place]),
        _ => characters.insert(place, character),
    }
    characters.into_iter().collect()
}

/// A number in the range of a type, as JSON writes it.
fn number(choices: &mut Choices<'_>, type_: &Type) -> String {
    if let Type::Integer { signed, bits } = type_ {
        return integer(choices, *signed, *bits);
    }
    let numbers = [
        "0",
        "-0",
        "1.5",
        "-1.25e-3",
        "1E+39",
        "99999999999999999999999",
        "1e308",
        "5e-400",
        "0.1000000000000000055511151231257827",
    ];
    choices.of(&numbers).to_owned()
}

fn integer(choices: &mut Choices<'_>, signed: bool, bits: u32) -> String {
    let range = texts::range(signed, bits);
    let number = match choices.below(6) {
        0 => BigInt::ZERO,
        1 => range.end().clone(),
        2 => range.start().clone(),
        3 => range.end() - 1,
        4 => range.start() + 1,
        _ => range.end() / (choices.below(1_000) + 1),
    };
    number.to_string()
}

/// A text that fits the type, as a string or a map's key.
pub(crate) fn text(choices: &mut Choices<'_>, type_: &Type) -> String {
    match type_ {
        Type::FixedString(bytes) => {
            let text = choices.of(&["a", "é", "€", "😀"]);
            text.repeat(choices.below(bytes / text.len() + 1))
        }
        Type::Integer { signed, bits } => integer(choices, *signed, *bits),
        Type::Float => {
            let floats = [
                "0",
                "1.",
                ".5",
                "+1.5",
                "-inf",
                "NaN",
                "INFINITY",
                "+infinity",
                "1e400",
                "1E-7",
                "007.e+1",
                "-.1e1",
            ];
            choices.of(&floats).to_owned()
        }
        Type::Decimal => {
            let decimals = [
                "0",
                "-0",
                "007",
                "-1.50",
                "123456789012345678901234567890.1234",
            ];
            choices.of(&decimals).to_owned()
        }
        Type::Date => date(choices),
        Type::DateTime => date_time(choices),
        Type::Uuid => uuid(choices),
        Type::Ipv4 => {
            let part =
                |choices: &mut Choices<'_>| choices.of(&["0", "1", "255", "010", "00", "99"]);
            let parts: [&str; 4] = std::array::from_fn(|_| part(choices));
            parts.join(".")
        }
        Type::Ipv6 => ipv6(choices),
        Type::Enum(members) => members[choices.below(members.len())].0.clone(),
        _ => choices.of(&TEXTS).to_owned(),
    }
}

/// Mostly a day that exists.
fn date(choices: &mut Choices<'_>) -> String {
    let year = choices.of(&[2024, 2023, 1900, 2000, 0, 9999, 1970, 2100]);
    let month = 1 + choices.below(12);
    let day = choices.of(&[1, 28, 15, 27, 29, 30, 31]);
    format!("{year:04}-{month:02}-{day:02}")
}

fn date_time(choices: &mut Choices<'_>) -> String {
    let date = date(choices);
    let between = choices.of(&['T', 't', ' ']);
    let time = choices.of(&["00:00:00", "23:59:59", "12:30:60", "23:59:60", "08:15:01"]);
    let fraction = choices.of(&[
        "",
        ".0",
        ".123",
        ".123456789",
        ".1234567890123456789012345678901234567890",
    ]);
    let zone = choices.of(&["Z", "z", "+00:00", "-00:00", "+23:59", "-05:30"]);
    format!("{date}{between}{time}{fraction}{zone}")
}

fn uuid(choices: &mut Choices<'_>) -> String {
    let digits = "0123456789abcdefABCDEF0f9A5e1Db2";
    let start = choices.below(digits.len());
    let digits = format!("{}{}", &digits[start..], &digits[..start]);
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
    let hyphenated = groups.join("-");
    match choices.below(4) {
        0 => hyphenated,
        1 => digits,
        2 => format!("{{{hyphenated}}}"),
        _ => format!("urn:uuid:{hyphenated}"),
    }
}

fn ipv6(choices: &mut Choices<'_>) -> String {
    let ends_with_ipv4 = choices.once_in(3);
    let groups = if ends_with_ipv4 { 6 } else { 8 };
    let group = |choices: &mut Choices<'_>| choices.of(&["0", "1", "db8", "FFFF", "0001", "abcd"]);
    let left_out = choices.below(groups + 1);
    let mut text = String::new();
    let at = choices.below(groups - left_out + 1);
    for place in 0..groups - left_out {
        if place == at && left_out > 0 {
            text.push_str("::");
        } else if place > 0 {
            text.push(':');
        }
        text.push_str(group(choices));
    }
    if at == groups - left_out && left_out > 0 {
        text.push_str("::");
    }
    if ends_with_ipv4 {
        if !text.is_empty() && !text.ends_with(':') {
            text.push(':');
        }
        text.push_str(choices.of(&["1.2.3.4", "255.0.0.10"]));
    }
    text
}
