//! What is accepted directly is what the tape accepts, wherever blocks and words of the text begin and end.

mod enumerated;

use proptest::prelude::*;

use crate::{
    model::{Field, OnInvalid, Rules, Type, UnknownFields},
    validate::{Format, Record, Rejection, ValidateLimits, Validator},
};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100,
    json_depth_max: 10,
};

/// Both ways of validation; what they find has to be the same.
struct Both {
    direct: Validator,
    by_tape: Validator,
    rules: Rules,
}

impl Both {
    fn new(mut rules: Rules) -> Self {
        rules.on_invalid = OnInvalid::AcceptValid;
        Self {
            direct: Validator::new(LIMITS),
            by_tape: Validator::by_tape(LIMITS),
            rules,
        }
    }

    /// How many records are accepted directly.
    fn agree(&mut self, body: &[u8], format: Format) -> usize {
        let (directly, found) = found(&mut self.direct, body, format, &self.rules);
        let (_, expected) = self::found(&mut self.by_tape, body, format, &self.rules);
        assert_eq!(found, expected, "{}", body.escape_ascii());
        directly
    }
}

type Found<'v> = Result<(Vec<Record<'v>>, Option<Rejection>), Rejection>;

fn found<'v>(
    validator: &'v mut Validator,
    body: &[u8],
    format: Format,
    rules: &Rules,
) -> (usize, Found<'v>) {
    match validator.validate(body, format, rules) {
        Ok(valid) => {
            let found = (valid.records().collect(), valid.rejection().cloned());
            (valid.accepted_directly(), Ok(found))
        }
        Err(rejection) => (0, Err(rejection)),
    }
}

/// The ends of strings; those from the sixth on are invalid.
const ENDS: [&[u8]; 13] = [
    b"",
    b"\\n",
    b"\\\"",
    b"\\\\",
    "é\\u00e9\u{7f}🦀".as_bytes(),
    b"\"",
    b"\\",
    b"\n",
    b"\x1f",
    b"\xff",
    b"\xc3",
    b"\\ud800",
    b"\\u00e",
];
const VALID_ENDS: usize = 5;

/// As many as there are offsets in a block, and some more.
const OFFSETS: usize = 68;

/// Strings that begin and end at each offset of a block, alone and in records that share a block.
#[test]
fn strings_at_each_offset() {
    let mut both = Both::new(Rules::any());
    for (offset, len) in
        (0..OFFSETS).flat_map(|offset| [0, 1, 62 - offset % 2, 63, 64, 65].map(|len| (offset, len)))
    {
        for (index, end) in ENDS.iter().enumerate() {
            let key = "k".repeat(offset);
            let start = format!("{{\"{key}\":\"{}", "x".repeat(len)).into_bytes();
            let record = [&start, *end, b"\",\"n\":1}"].concat();
            let expected = usize::from(index < VALID_ENDS);
            assert_eq!(
                both.agree(&record, Format::Json),
                expected,
                "{}",
                record.escape_ascii()
            );
            let body = [b"[{\"a\":\"\"},", &*record, b",{\"a\":\"b\"}]"].concat();
            let directly = both.agree(&body, Format::Json);
            assert!(
                index >= VALID_ENDS || directly == 3,
                "{}",
                body.escape_ascii()
            );
            let body = [b"{\"a\":\"\"}\n", &*record, b"\n{\"a\":\"b\"}"].concat();
            both.agree(&body, Format::Ndjson);
        }
    }
}

/// Texts that end anywhere in a block, in a word or in a number.
#[test]
fn texts_that_end_at_each_offset() {
    let mut both = Both::new(Rules::any());
    let body = r#"{"a":"é","b":[12345678.12345678,-1,0.5e+10,true],"c":{"d":null,"e":"\u00e9"}}"#;
    let body = format!("[{body},{body}]");
    for end in 0..body.len() {
        both.agree(&body.as_bytes()[..end], Format::Json);
        both.agree(&body.as_bytes()[1..=end], Format::Ndjson);
    }
    for digits in 1..40 {
        let record = format!("{{\"n\":{}}}", "1".repeat(digits));
        assert_eq!(both.agree(record.as_bytes(), Format::Json), 1, "{record}");
    }
}

/// A field of each type that numbers are valid for.
fn numbers() -> Rules {
    let texts = [
        "Int8",
        "UInt8",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Int128",
        "UInt256",
        "Float64",
        "Decimal(9, 2)",
        "Enum8('a' = -1, 'b' = 12)",
    ];
    let fields = texts.map(|text| {
        let type_ = Type::parse(text).expect("a type");
        Field::declared(text.to_owned(), type_, true)
    });
    Rules::compile(&fields, UnknownFields::Forward)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// In one go or digit by digit, of declared types and of none, with few bytes or many behind them.
    #[test]
    fn numbers_of_any_length(
        number in "-?(0|[1-9]{0,4}[0-9]{0,19}|[0-9]{36,40})(\\.[0-9]{0,18})?([eE][+-]?[0-9]{0,4})?[.eE+-]?",
        rest in "[ \n]{0,20}",
    ) {
        let mut both = Both::new(numbers());
        let names: Vec<_> = both.rules.program().map_or(Vec::new(), |program| {
            let names = &program.shape(program.root()).names;
            names.iter().map(str::to_owned).collect()
        });
        for name in names.iter().map(String::as_str).chain(["other"]) {
            let record = format!("{{\"{name}\":{number}{rest}}}");
            both.agree(record.as_bytes(), Format::Json);
            let record = format!("{{\"{name}\":{number}{rest},\"{}\":null}}", "x".repeat(20));
            both.agree(record.as_bytes(), Format::Json);
        }
    }
}
