//! Any body, in both formats, without types and with them: what is accepted directly is what simd-json's tape
//! and the walk over it accept, with the same records, keys and timestamps; and so are all errors.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringest::model::{Field, OnInvalid, Rules, Type, UnknownFields};
use ringest::validate::{Format, Record, Rejection, ValidateLimits, Validator};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000,
    records_max: 20,
    json_depth_max: 10,
};

/// Each has a field of many types, so that one byte leads from one to the other.
static RULES: LazyLock<[Rules; 4]> = LazyLock::new(|| {
    let mut keyed = Rules::any();
    keyed.partition_key = Some(vec!["k".to_owned()]);
    keyed.timestamp_field = Some(vec!["t".to_owned(), "ms".to_owned()]);
    let mut typed = rules(UnknownFields::Forward);
    typed.on_invalid = OnInvalid::AcceptValid;
    typed.partition_key = Some(vec!["o".to_owned(), "a".to_owned()]);
    typed.timestamp_field = Some(vec!["t".to_owned()]);
    [Rules::any(), keyed, typed, rules(UnknownFields::Reject)]
});

fn rules(unknown_fields: UnknownFields) -> Rules {
    let types = [
        ("a", "Nullable(Map(Int256, Nullable(Array(Int8))))"),
        (
            "b",
            "Nullable(Tuple(x Float64, y Decimal(9, 2), z Nullable(UUID)))",
        ),
        ("c", "Nullable(Tuple(DateTime64(3), Date, IPv4, IPv6))"),
        ("o", "Nullable(JSON(a.b Enum8('x' = 1), e FixedString(2)))"),
        ("t", "Nullable(DateTime)"),
        ("k", "Nullable(String)"),
        (
            "a_name_of_several_words",
            "Nullable(Nested(u UInt64, i Int16, b Bool))",
        ),
    ];
    let fields = types.map(|(name, type_)| {
        Field::declared(name.to_owned(), Type::parse(type_).expect("a type"), false)
    });
    Rules::compile(&fields, unknown_fields)
}

fuzz_target!(|body: &[u8]| {
    let [mut direct, mut by_tape] = [Validator::new(LIMITS), Validator::by_tape(LIMITS)];
    for rules in &*RULES {
        for format in [Format::Json, Format::Ndjson] {
            let [direct, by_tape] =
                [&mut direct, &mut by_tape].map(|it| found(it, body, format, rules));
            assert_eq!(direct, by_tape);
        }
    }
});

type Found<'v> = Result<(Vec<Record<'v>>, Option<Rejection>), Rejection>;

fn found<'v>(
    validator: &'v mut Validator,
    body: &[u8],
    format: Format,
    rules: &Rules,
) -> Found<'v> {
    let valid = validator.validate(body, format, rules)?;
    Ok((valid.records().collect(), valid.rejection().cloned()))
}
