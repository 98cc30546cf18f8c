//! The same of all records of a kind, one after the other, where chance would rarely lead.

use super::{Both, numbers};
use crate::{
    model::{Field, Rules, Type, UnknownFields},
    validate::Format,
};

/// Each leads through code of its own.
const RECORDS: [&str; 5] = [
    r#"{"a":{"1":[1,-2,null],"-9":null},"k":"\u00e9\n"}"#,
    r#"{"b":{"x":1.5e3,"y":"12.34","z":null},"k":""}"#,
    r#"{"c":["2026-08-21T10:15:30Z","::1"],"o":{"n":[]}}"#,
    r#"{"a_name_of_several_words":{"u":18446744073709551615,"i":-32768}}"#,
    "{ \"\u{e9}\" : { \"\u{e9}\" : true } , \"n\" : -0.0E+1 }",
];

fn typed(unknown_fields: UnknownFields) -> Rules {
    let fields = [
        ("a", "Nullable(Map(Int256, Nullable(Array(Int8))))"),
        (
            "b",
            "Nullable(Tuple(x Float64, y Decimal(9, 2), z Nullable(UUID)))",
        ),
        ("c", "Nullable(Tuple(DateTime64(3), IPv6))"),
        ("o", "Nullable(JSON)"),
        ("k", "Nullable(String)"),
        (
            "a_name_of_several_words",
            "Nullable(Nested(u UInt64, i Int16))",
        ),
        ("é", "Nullable(Map(Enum8('é' = 1), Bool))"),
    ];
    let fields = fields.map(|(name, text)| {
        let type_ = Type::parse(text).expect("a type");
        Field::declared(name.to_owned(), type_, false)
    });
    Rules::compile(&fields, unknown_fields)
}

/// The first and the last byte of each kind that the grammar, or UTF-8, has.
const BYTES: &[u8] =
    b"\x00\x09\x0a\x0d\x1f !\"#+,-./019:;@AEZ[\\]^abefnrtuz{|}~\x7f\x80\xbf\xc3\xe2\xf0\xff";

#[test]
fn any_byte_at_any_place() {
    for rules in [
        typed(UnknownFields::Reject),
        typed(UnknownFields::Forward),
        Rules::any(),
    ] {
        let mut both = Both::new(rules);
        for record in RECORDS {
            // The record reaches into the next block.
            let start = format!("{{\"k\":\"{}\",", "x".repeat(30));
            let record = [start.as_bytes(), &record.as_bytes()[1..]].concat();
            for place in start.len()..record.len() {
                for byte in BYTES {
                    let mut changed = record.clone();
                    changed[place] = *byte;
                    both.agree(&changed, Format::Json);
                }
                let mut shorter = record.clone();
                shorter.remove(place);
                both.agree(&shorter, Format::Json);
            }
        }
    }
}

/// Well-formed or not (Unicode table 3-7), across a border of blocks, in a string and in a key.
#[test]
fn any_utf8_sequence() {
    let leads = b"\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
    let others = b"\"A\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0";
    let mut both = Both::new(Rules::any());
    for offset in 61..64 {
        let start = format!("{{\"k\":\"{}", "x".repeat(offset - 6));
        for place in 0..leads.len() * others.len().pow(3) {
            let (lead, place) = (leads[place % leads.len()], place / leads.len());
            let rest = [1, 10, 100].map(|step| others[place / step % others.len()]);
            let sequence = [lead, rest[0], rest[1], rest[2]];
            // Of shorter ones what follows makes no difference.
            let len = match lead {
                ..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0.. => 4,
            };
            if rest[len - 1..].iter().any(|byte| *byte != others[0]) {
                continue;
            }
            let record = [start.as_bytes(), &sequence[..len], b"\",\"n\":1}"].concat();
            let is_valid =
                str::from_utf8(&sequence[..len]).is_ok() && !sequence[..len].contains(&b'"');
            let directly = both.agree(&record, Format::Json) == 1;
            assert_eq!(directly, is_valid, "{}", record.escape_ascii());
        }
    }
}

/// Of three characters, and around the limits of each type, in every spelling.
#[test]
fn any_short_number_and_all_limits() {
    let mut texts = vec![String::new()];
    let mut begin = 0;
    for _ in 0..3 {
        let end = texts.len();
        for index in begin..end {
            let longer = ["0", "1", "9", "-", "+", ".", "e"];
            let longer = longer.map(|it| format!("{}{it}", texts[index]));
            texts.extend(longer);
        }
        begin = end;
    }
    for bits in [7, 8, 15, 16, 31, 32, 63, 64, 126] {
        for number in (1_u128 << bits) - 2..=(1_u128 << bits) + 1 {
            for (sign, end) in [
                ("", ""),
                ("-", ""),
                ("0", ""),
                ("", ".0"),
                ("", "."),
                ("-", "e0"),
                ("", "E-1"),
            ] {
                texts.push(format!("{sign}{number}{end}"));
            }
        }
    }
    for digits in [14, 15, 16, 17, 18, 299, 300, 301, 308, 309, 310] {
        for end in ["", ".5", "e-1", "e8", "e9", "e10"] {
            texts.push(format!("{}{end}", "9".repeat(digits)));
            texts.push(format!("0.{}{end}", "0".repeat(digits)));
        }
    }
    let mut both = Both::new(numbers());
    let names: Vec<_> = both.rules.program().map_or(Vec::new(), |program| {
        let names = &program.shape(program.root()).names;
        names.iter().map(str::to_owned).collect()
    });
    for text in &texts {
        for name in &names {
            both.agree(format!("{{\"{name}\":{text}}}").as_bytes(), Format::Json);
        }
        let record = format!("{{\"n\":{text},\"{}\":{text} }}", names[0]);
        both.agree(record.as_bytes(), Format::Json);
    }
}

/// At the limit, one below and one above, of a record and of one in an array.
#[test]
fn any_depth() {
    let mut both = Both::new(typed(UnknownFields::Forward));
    for depth in 8..=11 {
        for kinds in 0..1 << depth {
            let (mut open, mut close) = ("{\"o\":".to_owned(), "}".to_owned());
            for level in 0..depth {
                let (start, end) = if kinds >> level & 1 == 0 {
                    ("{\"a\":", "}")
                } else {
                    ("[", "]")
                };
                open += start;
                close.insert_str(0, end);
            }
            let record = format!("{open}1{close}");
            let directly = both.agree(record.as_bytes(), Format::Json);
            let is_object = kinds & 1 == 0;
            assert_eq!(directly == 1, is_object && depth < 10, "{record}");
            let directly = both.agree(format!("[{record}]").as_bytes(), Format::Json);
            assert_eq!(directly == 1, is_object && depth < 9, "{record}");
        }
    }
}

/// Up to four, in any order, twice or not at all, with names that are escaped or nearly those of the model.
#[test]
fn any_members() {
    let members = [
        r#""a":1"#,
        r#""a" : -1"#,
        r#""\u0061":2"#,
        r#""of_14_bytes_xy":true"#,
        r#""of_14_bytes_xz":true"#,
        r#""of_14_bytes_x":null"#,
        r#""more_than_16_bytes":"""#,
        r#""more_than_16_bytés":[]"#,
    ];
    let fields = [
        ("a", "UInt8"),
        ("of_14_bytes_xy", "Bool"),
        ("more_than_16_bytes", "String"),
    ];
    for unknown_fields in [UnknownFields::Forward, UnknownFields::Reject] {
        let fields = fields.map(|(name, text)| {
            let type_ = Type::parse(text).expect("a type");
            Field::declared(name.to_owned(), type_, name != "of_14_bytes_xy")
        });
        let mut rules = Rules::compile(&fields, unknown_fields);
        rules.partition_key = Some(vec!["a".to_owned()]);
        let mut both = Both::new(rules);
        for count in 0..=4 {
            for list in 0..members.len().pow(count) {
                let chosen =
                    (0..count).map(|at| members[list / members.len().pow(at) % members.len()]);
                let record = format!("{{{}}}", chosen.collect::<Vec<_>>().join(","));
                both.agree(record.as_bytes(), Format::Json);
            }
        }
    }
}
