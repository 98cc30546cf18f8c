//! What the schemas take, kind by kind: outcomes as `ringest` gives them, written down here.

use ringest::{
    model::{Field, Kind, Object, Rules, Type, UnknownFields},
    validate::{Format, ValidateLimits, Validator},
};
use serde_json::{Value, json};

use super::{document, field, model, schema, type_};

/// A kind, values that are of it and values that are not.
struct Case {
    name: &'static str,
    kind: Kind,
    good: Value,
    bad: Value,
}

fn case(name: &'static str, kind: Kind, good: Value, bad: Value) -> Case {
    Case {
        name,
        kind,
        good,
        bad,
    }
}

fn boxed(text: &str, kind: Kind) -> Box<Type> {
    Box::new(type_(text, kind))
}

fn integer(signed: bool, bits: u16) -> Kind {
    Kind::Integer { signed, bits }
}

fn pair() -> Vec<Field> {
    let mut with_default = field("d", "Bool", Kind::Bool);
    with_default.may_be_absent = true;
    let nullable = Kind::Nullable(boxed("String", Kind::String));
    vec![
        field("x", "Float64", Kind::Float),
        field("n", "Nullable(String)", nullable),
        with_default,
    ]
}

fn object(unknown_fields: Option<UnknownFields>) -> Kind {
    Kind::Object(Object {
        fields: pair(),
        unknown_fields,
    })
}

fn cases() -> Vec<Case> {
    let mut cases = scalars();
    cases.extend(compounds());
    cases
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn scalars() -> Vec<Case> {
    vec![
        case("Any", Kind::Any, json!([1, "a", null, {}, []]), json!([])),
        case(
            "String",
            Kind::String,
            json!(["", "a\u{0}"]),
            json!([1, null, true, {}, []]),
        ),
        case(
            "FixedString(3)",
            Kind::FixedString(3),
            json!(["", "abc"]),
            json!(["abcd", 1, null]),
        ),
        case(
            "Bool",
            Kind::Bool,
            json!([true, false]),
            json!([0, 1, "true", null]),
        ),
        case(
            "Int8",
            integer(true, 8),
            json!([-128, 127, 0, "-128", "127", "-0"]),
            json!([
                -129, 128, 1.5, "01", "+1", " 1", "", "1000", "-1000", "1.0", "1e2", null
            ]),
        ),
        case(
            "UInt8",
            integer(false, 8),
            json!([0, 255, "0", "255"]),
            json!([-1, 256, "-0", "-1", "1000", "00"]),
        ),
        case(
            "Int64",
            integer(true, 64),
            json!([
                i64::MIN,
                i64::MAX,
                "-9223372036854775808",
                "9223372036854775807"
            ]),
            json!([9_223_372_036_854_775_808_u64, "10000000000000000000"]),
        ),
        case(
            "UInt64",
            integer(false, 64),
            json!([0, u64::MAX, "18446744073709551615"]),
            json!([-1, "100000000000000000000"]),
        ),
        case(
            "UInt256",
            integer(false, 256),
            json!([
                0,
                u64::MAX,
                "115792089237316195423570985008687907853269984665640564039457584007913129639935"
            ]),
            json!([
                -1,
                0.5,
                "1000000000000000000000000000000000000000000000000000000000000000000000000000000"
            ]),
        ),
        case(
            "Int256",
            integer(true, 256),
            json!([
                -1,
                "-57896044618658097711785492504343953926634992332820282019728792003956564819968"
            ]),
            json!([
                "-100000000000000000000000000000000000000000000000000000000000000000000000000000"
            ]),
        ),
        case(
            "Float64",
            Kind::Float,
            json!([
                1.5, -3, "1.", ".5", "+1.5", "-inf", "NaN", "Infinity", "1e400", "1.5E-3", ".5e1"
            ]),
            json!([
                ".", "", " 1.5", "1_0", "0x1p3", "infin", "e5", "1e", null, true
            ]),
        ),
        case(
            "Decimal(10, 2)",
            Kind::Decimal,
            json!([1.5, 7, "007", "-1.25", "3"]),
            json!(["1e5", "+1", ".5", "1.", "NaN", "", "\u{096b}"]),
        ),
        case(
            "Date",
            Kind::Date,
            json!(["0000-01-01", "9999-12-31", "2024-02-29"]),
            json!([
                "2024-13-01",
                "2024-00-01",
                "2024-01-32",
                "2024-1-1",
                "2024-01-01T00:00:00Z",
                1
            ]),
        ),
        case(
            "DateTime64(3)",
            Kind::DateTime,
            json!([
                "2024-02-29T23:59:59Z",
                "2024-01-01t00:00:00.1234567890123z",
                "2024-01-01 00:00:00+05:30",
                "2024-01-01T12:00:60-00:00"
            ]),
            json!([
                "2024-01-01T00:00:00",
                "2024-01-01T24:00:00Z",
                "2024-01-01T00:60:00Z",
                "2024-01-01T00:00:61Z",
                "2024-01-01T00:00:00.Z",
                "2024-01-01T00:00:00+24:00",
                "2024-01-01T00:00:00+0530",
                "2024-01-01  00:00:00Z",
                "2024-01-01T00:00:00\u{2212}01:00",
                1_700_000_000
            ]),
        ),
        case(
            "UUID",
            Kind::Uuid,
            json!([
                "550e8400-e29b-41d4-a716-446655440000",
                "550E8400E29B41D4A716446655440000",
                "{550e8400-e29b-41d4-a716-446655440000}",
                "urn:uuid:550e8400-e29b-41d4-a716-446655440000"
            ]),
            json!([
                "{550e8400e29b41d4a716446655440000}",
                "urn:uuid:550e8400e29b41d4a716446655440000",
                "URN:uuid:550e8400-e29b-41d4-a716-446655440000",
                "550e8400-e29b-41d4-a716-44665544000",
                "550e8400-e29b-41d4-a716-44665544000g",
                "{550e8400-e29b-41d4-a716-446655440000",
                ""
            ]),
        ),
        case(
            "IPv4",
            Kind::Ipv4,
            json!(["0.0.0.0", "255.255.255.255", "010.0.0.1", "1.02.003.4"]),
            json!([
                "256.0.0.1",
                "1.2.3",
                "1.2.3.4.5",
                "0001.2.3.4",
                "1.2.3.4/8",
                "1..2.3",
                ""
            ]),
        ),
        case(
            "IPv6",
            Kind::Ipv6,
            json!(["::", "2001:db8::1", "::ffff:1.2.3.4"]),
            json!(["fe80::1%eth0", "[::1]", "::/64", "", 1]),
        ),
        case(
            "Enum8('view' = 1, 'click' = -2)",
            Kind::Enum(vec![("view".to_owned(), 1), ("click".to_owned(), -2)]),
            json!(["view", "click", 1, -2]),
            json!(["View", "", "1", 0, 2, null]),
        ),
        case(
            "number",
            Kind::Number,
            json!([1, 1.5, -2e3]),
            json!(["1", null]),
        ),
        case(
            "integer",
            Kind::WholeNumber {
                minimum: Some(1),
                maximum: Some(i128::from(u64::MAX)),
            },
            json!([1, u64::MAX]),
            json!([0, 1.5, "1"]),
        ),
        case(
            "integer of any size",
            Kind::WholeNumber {
                minimum: Some(i128::MIN),
                maximum: None,
            },
            json!([i64::MIN, u64::MAX]),
            json!([1.5, "1"]),
        ),
        case(
            "literals",
            Kind::Literals(vec!["a".to_owned(), "b".to_owned()]),
            json!(["a", "b"]),
            json!(["c", "", 1, null]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn compounds() -> Vec<Case> {
    let point = || {
        Kind::Tuple(vec![
            type_("Float64", Kind::Float),
            type_("Float64", Kind::Float),
        ])
    };
    let typed = |name: &[&str], kind| {
        let path = name.iter().map(|it| (*it).to_owned()).collect();
        (path, type_("typed", kind))
    };
    vec![
        case(
            "Nullable(Date)",
            Kind::Nullable(boxed("Date", Kind::Date)),
            json!([null, "2024-01-01"]),
            json!(["", 1, "null"]),
        ),
        case(
            "Array(Nullable(UInt8))",
            Kind::Array(boxed(
                "Nullable(UInt8)",
                Kind::Nullable(boxed("UInt8", integer(false, 8))),
            )),
            json!([[], [1, null, "2"]]),
            json!([[256], null, {}, "[]", [[1]]]),
        ),
        case(
            "Map(UInt8, String)",
            Kind::Map(
                boxed("UInt8", integer(false, 8)),
                boxed("String", Kind::String),
            ),
            json!([{}, {"0": "", "255": "x"}]),
            json!([{"a": "x"}, {"-0": "x"}, {"1": 1}, {"1": null}, [], null]),
        ),
        case(
            "Map(Bool, UInt8)",
            Kind::Map(boxed("Bool", Kind::Bool), boxed("UInt8", integer(false, 8))),
            json!([{}, {"true": 1, "false": 2}]),
            json!([{"": 1}, {"True": 1}, {"1": 1}]),
        ),
        case(
            "Map(Enum8('a' = 1), Date)",
            Kind::Map(
                boxed("Enum8('a' = 1)", Kind::Enum(vec![("a".to_owned(), 1)])),
                boxed("Date", Kind::Date),
            ),
            json!([{}, {"a": "2024-01-01"}]),
            json!([{"1": "2024-01-01"}, {"b": "2024-01-01"}, {"a": 1}]),
        ),
        case(
            "Tuple(x Float64, n Nullable(String), d Bool)",
            object(None),
            json!([{"x": 1}, {"x": "1", "n": null, "d": true, "more": {}}]),
            json!([{}, {"x": null}, {"x": 1, "d": null}, {"x": 1, "n": 1}, [1], null]),
        ),
        case(
            "closed tuple",
            object(Some(UnknownFields::Reject)),
            json!([{"x": 1}, {"x": 1, "n": null, "d": true}]),
            json!([{"x": 1, "more": 1}, {"X": 1}]),
        ),
        case(
            "Array(Nested(…))",
            Kind::Array(boxed("Nested(…)", object(None))),
            json!([[], [{"x": 1}, {"x": 2}]]),
            json!([{"x": 1}, [{"x": 1}, {}], [null]]),
        ),
        case(
            "Point",
            point(),
            json!([[1, "2.5"]]),
            json!([[], [1], [1, 2, 3], [1, null], {"x": 1}, null]),
        ),
        case(
            "JSON",
            Kind::Json(Vec::new()),
            json!([{}, {"a": [null]}]),
            json!([[], "x", 1, true, null]),
        ),
        case(
            "JSON(a UInt8, b.c String, b.d Nullable(Bool))",
            Kind::Json(vec![
                typed(&["a"], integer(false, 8)),
                typed(&["b", "c"], Kind::String),
                typed(&["b", "d"], Kind::Nullable(boxed("Bool", Kind::Bool))),
            ]),
            json!([
                {"a": 1, "b": {"c": "x", "d": true, "e": 1}, "f": null},
                {"a": 1, "b": {"c": "x", "d": null}},
                {"a": 1, "b": {"c": "x"}}
            ]),
            json!([
                {"a": 1, "b": {"d": true}},
                {"a": 1, "b": {"c": "x", "d": 1}},
                {"a": 1, "b": null},
                {"a": 1},
                {"b": {"c": "x", "d": true}},
                {"a": null, "b": {"c": "x", "d": true}},
                {"a": 256, "b": {"c": "x", "d": true}},
                {"a": 1, "b": "c"}
            ]),
        ),
        case(
            "JSON(a.b Nullable(Bool))",
            Kind::Json(vec![typed(
                &["a", "b"],
                Kind::Nullable(boxed("Bool", Kind::Bool)),
            )]),
            json!([{}, {"a": null}, {"a": {}}, {"a": {"b": null}}, {"a": {"b": true}}]),
            json!([null, {"a": 1}, {"a": {"b": 1}}]),
        ),
    ]
}

/// A field of each kind.
pub(crate) fn every_kind() -> Vec<Field> {
    let cases = cases().into_iter().enumerate();
    cases
        .map(|(index, case)| field(&format!("f{index}"), case.name, case.kind))
        .collect()
}

#[test]
fn values_are_validated_as_by_the_model() {
    for case in cases() {
        let fields = vec![field("v", case.name, case.kind)];
        let schema = schema(&document(vec![model("M", "1", Some(fields))]), "M_1");
        for (values, expected) in [(&case.good, true), (&case.bad, false)] {
            for value in values.as_array().expect("values") {
                let is_valid = schema.is_valid(&json!({ "v": value }));
                assert_eq!(is_valid, expected, "{} {value}", case.name);
            }
        }
    }
}

/// The outcomes above are those of the server.
#[test]
fn the_model_validates_as_written_down_here() {
    let mut validator = Validator::new(ValidateLimits {
        record_bytes_max: 1_000,
        records_max: 1,
        json_depth_max: 10,
    });
    for case in cases() {
        let fields = [field("v", case.name, case.kind)];
        let rules = Rules::compile(&fields, UnknownFields::Forward);
        for (values, expected) in [(&case.good, true), (&case.bad, false)] {
            for value in values.as_array().expect("values") {
                let body = json!({ "v": value }).to_string();
                let outcome = validator.validate(body.as_bytes(), Format::Json, &rules);
                assert_eq!(outcome.is_ok(), expected, "{} {value}", case.name);
            }
        }
    }
}

#[test]
fn records_are_validated_as_by_the_model() {
    for (unknown_fields, extra_is_good) in [
        (UnknownFields::Forward, true),
        (UnknownFields::Reject, false),
    ] {
        let model = ringest::model::Model {
            unknown_fields,
            ..model("M", "1", Some(pair_and_nested()))
        };
        let schema = schema(&document(vec![model]), "M_1");
        for (record, expected) in [
            (json!({"x": 1, "inner": {"x": 2}}), true),
            (
                json!({"x": 1, "n": null, "d": false, "inner": {"x": 2}}),
                true,
            ),
            (json!({"inner": {"x": 2}}), false),
            (json!({"x": 1}), false),
            (json!({"x": 1, "d": null, "inner": {"x": 2}}), false),
            (json!({"x": 1, "inner": {"x": 2}, "more": 1}), extra_is_good),
            (json!({"x": 1, "inner": {"x": 2, "more": 1}}), extra_is_good),
            (json!([]), false),
            (json!(null), false),
        ] {
            assert_eq!(
                schema.is_valid(&record),
                expected,
                "{unknown_fields:?} {record}"
            );
        }
    }
}

/// [`pair`], and an object within that says nothing of fields that it does not declare.
fn pair_and_nested() -> Vec<Field> {
    let mut fields = pair();
    fields.push(field("inner", "Nested(…)", object(None)));
    fields
}

#[test]
fn any_object_is_a_record_of_a_model_without_fields() {
    let schema = schema(&document(vec![model("M", "1", None)]), "M_1");
    for (record, expected) in [
        (json!({}), true),
        (json!({"a": null}), true),
        (json!([]), false),
    ] {
        assert_eq!(schema.is_valid(&record), expected, "{record}");
    }
}
