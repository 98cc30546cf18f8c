//! `ringest infer`: what it proposes, and that it takes every record that it is from.

use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use ringest::{
    infer::{InferError, infer},
    model::Model,
    validate::{Format, ValidateLimits, Validator},
};
use serde_json::{Value, json};

use crate::model_files;

/// The model in a file's text.
fn load(text: &str) -> Model {
    let config = model_files::load(&BTreeMap::from([("m".to_owned(), text.to_owned())]));
    let config = config.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    (*config.models[0]).clone()
}

fn accepts(model: &Model, body: &[u8], format: Format) -> bool {
    let mut validator = Validator::new(ValidateLimits {
        record_bytes_max: 1_000_000,
        records_max: 10_000,
        json_depth_max: 128,
    });
    let valid = validator.validate(body, format, &model.rules);
    valid.is_ok_and(|it| it.rejection().is_none())
}

#[test]
fn types_are_as_narrow_as_is_safe() {
    let records = r#"
        {"id": "550e8400-e29b-41d4-a716-446655440000", "at": "2026-11-23T08:00:00.12Z", "n": 1, "x": 1,
         "kind": "a", "user": {"name": "x", "from": "192.0.2.1"}, "tags": ["a"], "mixed": 1, "no": null,
         "a b": true, "big": 18446744073709551615, "day": "2026-11-23", "digest": "0123456789abcdef0123456789abcdef"}
        {"id": "550e8400-e29b-41d4-a716-446655440001", "at": "2026-11-23T08:00:00.123456Z", "n": -1, "x": 1.5,
         "kind": "a", "user": {"name": "y"}, "tags": [], "mixed": "1", "no": null, "empty": [],
         "a b": null, "big": 1, "day": "2026-11-24", "digest": "0123456789abcdef0123456789abcdef"}"#;
    let proposed = infer("Event", records.as_bytes()).expect("records");
    let (_, fields) = proposed.split_once("[fields]\n").expect("fields");
    assert_eq!(
        fields,
        r#"id = "UUID"
at = "DateTime64(6)"
n = "Int64"
x = "Float64"
kind = "String"
user = "Tuple(name String, from Nullable(IPv4))"
tags = "Array(String)"
"a b" = "Nullable(Bool)"  # null in 1
big = "UInt64"
day = "Date"
digest = "String"
"#
    );
    for line in [
        "# mixed: values of different kinds were seen\n",
        "# no: only null was seen\n",
        "# empty: only empty arrays were seen\n",
    ] {
        assert!(proposed.contains(line), "{proposed}");
    }
    assert!(accepts(
        &load(&proposed),
        records.replace("\n         ", "").as_bytes(),
        Format::Ndjson
    ));
}

#[test]
fn names_that_vary_are_those_of_a_map_and_few_texts_have_a_low_cardinality() {
    let records = (0..100).map(|number| {
        let kind = ["view", "click"][number % 2];
        let name = format!("k{number}");
        json!({ "kind": kind, "counts": { name: number } })
    });
    let records: Vec<Value> = records.collect();
    let body = Value::from(records).to_string();
    let proposed = infer("Event", body.as_bytes()).expect("records");
    assert!(
        proposed.contains("kind = \"LowCardinality(String)\"\n"),
        "{proposed}"
    );
    assert!(
        proposed.contains("counts = \"Map(String, Int64)\"\n"),
        "{proposed}"
    );
    assert!(accepts(&load(&proposed), body.as_bytes(), Format::Json));
}

#[test]
fn what_holds_no_records_is_an_error() {
    for body in ["", " \n", "[]"] {
        assert!(
            matches!(infer("M", body.as_bytes()), Err(InferError::Empty)),
            "{body}"
        );
    }
    for body in ["1", "[{}, 1]", "{} 1"] {
        let error = infer("M", body.as_bytes()).expect_err(body);
        assert!(
            matches!(error, InferError::NotObjects(1, _)),
            "{body}: {error}"
        );
    }
    let error = infer("M", b"{}\n{").expect_err("cut");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn integers_that_a_float_rounds_are_named() {
    let records = r#"
        {"a": 123456789012345678901234567890, "b": {"c": -9223372036854775809, "no": null}, "d": [9007199254740993, 0.5],
         "small": 0.5, "exact": 9007199254740992}"#;
    let proposed = infer("M", records.as_bytes()).expect("records");
    for line in [
        "# Proposed from 1 record. ",
        "\n# a: 1 beyond 2^53, which Float64 rounds; Int256 or UInt256 keeps integers\n",
        "\n# b.c: 1 beyond 2^53, ",
        "\n# b.no: no element of the Tuple: only null was seen\n",
        "\n# d[]: 1 beyond 2^53, ",
        "\na = \"Float64\"\n",
        "\nexact = \"Int64\"\n",
    ] {
        assert!(proposed.contains(line), "{line}: {proposed}");
    }
    assert!(
        !proposed.contains("# small") && !proposed.contains("# exact"),
        "{proposed}"
    );
    load(&proposed);
}

#[test]
fn what_is_wrong_with_the_input_is_named() {
    let deep = "[".repeat(200);
    for (body, message) in [
        (
            &b"\xef\xbb\xbf{}"[..],
            "it begins with a byte order mark (EF BB BF), which ringest rejects",
        ),
        (b"\xff\xfe{\0", "it is UTF-16: convert it to UTF-8"),
        (b"\xfe\xff\0{", "it is UTF-16: convert it to UTF-8"),
        (b"\x1f\x8b\x08\0", "it is compressed by gzip: decompress it"),
        (
            b"\x28\xb5\x2f\xfd\x04",
            "it is compressed by zstd: decompress it",
        ),
        (b"{}\n{\"a\":\"\xff\"}", "line 2: it is not UTF-8"),
        (
            b"{}\n{\"a\":1e400}",
            "line 2, column 10: a number beyond the range of a 64-bit float",
        ),
        (
            b"{\"a\":-1e400}",
            "line 1, column 11: a number beyond the range of a 64-bit float",
        ),
        (
            deep.as_bytes(),
            "line 1, column 128: more than 127 arrays and objects within one another",
        ),
        (
            b"[{}]\n[{}]",
            "2 of 2 values are not objects, and a record is one",
        ),
        (
            b"a,b\n1,2",
            "it is not JSON: expected value at line 1 column 1",
        ),
    ] {
        let error = infer("M", body).expect_err(message).to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

/// Names that need quotation marks or none, and the one that no field can have.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-d]?",
        1 => prop::sample::select(vec!["a.b", "`\\é\"", "a b", "\u{1b}[m", "\0"]).prop_map(str::to_owned),
    ]
}

/// JSON of every kind, with texts that look like one format or another.
fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-c]{0,2}",
        Just("2026-11-23".to_owned()),
        Just("2026-11-23T08:00:00Z".to_owned()),
        Just("2026-11-23 08:00:00.5+01:00".to_owned()),
        Just("550e8400-e29b-41d4-a716-446655440000".to_owned()),
        Just("::1".to_owned()),
        Just("192.0.2.1".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_proposal_takes_every_record_that_it_is_from(
        records in prop::collection::vec(prop::collection::hash_map(name(), json_value(), 0..4), 1..5)
    ) {
        let records: Vec<Value> = records.into_iter().map(|it| Value::Object(it.into_iter().collect())).collect();
        let body = Value::from(records).to_string();
        let proposed = infer("M", body.as_bytes()).expect("records");
        prop_assert!(accepts(&load(&proposed), body.as_bytes(), Format::Json), "{proposed}\n{body}");
    }
}

/// The file of `ringest new-model` is a model.
#[test]
fn the_template_is_a_model() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/model.toml");
    let text = fs::read_to_string(template).expect("the template");
    let model = load(&text.replace("NAME", "Order"));
    assert!(accepts(&model, model.example().as_bytes(), Format::Json));
}
