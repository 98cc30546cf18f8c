//! What types are made of, and rules of whole objects: containers, maps, fields, paths, depth.

use ringest::model::{Field, Kind, Object, OnInvalid, Rules, Type, UnknownFields};
use ringest::validate::{ErrorCode, Format, ValidateLimits, Validator};

use ErrorCode::{
    BadFormat, MissingField, NotInEnum, OutOfRange, TooLong, UnknownField, WrongLength, WrongType,
};

use super::{LIMITS, check, check_kind, codes, error, field, rules, validate};

#[test]
fn containers() {
    check(
        "Array(Nullable(UInt8))",
        &[
            ("[]", None),
            ("[1,null,\"2\"]", None),
            ("[[1]]", Some(WrongType)),
            ("{\"0\":1}", Some(WrongType)),
            ("null", Some(WrongType)),
        ],
    );
    check("Array(UInt8)", &[("[1,null]", Some(WrongType))]);
    check(
        "Nullable(Array(UInt8))",
        &[("null", None), ("[null]", Some(WrongType))],
    );
    check(
        "Tuple(UInt8, String)",
        &[
            ("[1,\"a\"]", None),
            ("[1]", Some(WrongLength)),
            ("[]", Some(WrongLength)),
            ("[1,\"a\",2]", Some(WrongLength)),
            ("[\"a\",\"a\"]", Some(BadFormat)),
            ("{}", Some(WrongType)),
        ],
    );
    check(
        "Point",
        &[
            ("[1,\"inf\"]", None),
            ("[1,2,3]", Some(WrongLength)),
            ("[1,null]", Some(WrongType)),
        ],
    );
    let rules = rules(&[("v", "Ring")], UnknownFields::Forward);
    for (value, expected) in [
        ("[]", vec![]),
        ("[[1,2],[3,4]]", vec![]),
        ("[1,2]", vec![WrongType, WrongType]),
        ("[[1,2],[3],null]", vec![WrongLength, WrongType]),
    ] {
        assert_eq!(
            codes(&rules, &format!("{{\"v\":{value}}}")),
            expected,
            "{value}"
        );
    }
}

#[test]
fn maps() {
    check(
        "Map(UInt8, Int8)",
        &[
            ("{}", None),
            ("{\"255\":1,\"255\":2}", None),
            ("{\"256\":1}", Some(OutOfRange)),
            ("{\"-0\":1}", Some(BadFormat)),
            ("{\"01\":1}", Some(BadFormat)),
            ("{\"1\":null}", Some(WrongType)),
            ("{\"1\":128}", Some(OutOfRange)),
            ("[]", Some(WrongType)),
        ],
    );
    let keys = [
        ("String", "", None),
        ("FixedString(2)", "abc", Some(TooLong)),
        ("Float64", "inf", None),
        ("Float64", "x", Some(BadFormat)),
        ("UUID", "0198c7a2-4b1e-7d3a-9f00-5e2c8a41b7d6", None),
        ("IPv4", "1.2.3", Some(BadFormat)),
        ("IPv6", "::", None),
        ("Date", "2024-02-29", None),
        ("Date", "2023-02-29", Some(BadFormat)),
        ("Enum8('a' = 1)", "a", None),
        ("Enum8('a' = 1)", "b", Some(NotInEnum)),
    ];
    for (type_, key, code) in keys {
        check(
            &format!("Map({type_}, Bool)"),
            &[(&format!("{{\"{key}\":true}}"), code)],
        );
    }
    let key = Type::parse("Bool").expect("a type");
    let value = Type::parse("UInt8").expect("a type");
    check_kind(
        Kind::Map(Box::new(key), Box::new(value)),
        &[("{\"true\":1}", None), ("{\"1\":1}", Some(BadFormat))],
    );
}

#[test]
fn fields_and_defaults() {
    let fields = [
        ("a", "UInt8"),
        ("b=", "UInt8"),
        ("c", "Nullable(UInt8)"),
        ("d=", "Nullable(UInt8)"),
    ];
    let rules = rules(&fields, UnknownFields::Forward);
    for (body, expected) in [
        ("{\"a\":1}", vec![]),
        ("{\"d\":1,\"c\":2,\"b\":3,\"a\":4}", vec![]),
        ("{\"a\":1,\"c\":null,\"d\":null}", vec![]),
        ("{\"a\":1,\"b\":null}", vec![WrongType]),
        ("{\"a\":null}", vec![WrongType]),
        ("{}", vec![MissingField]),
        ("{\"A\":1}", vec![MissingField]),
        ("{\"\\u0061\":1}", vec![]),
        ("{\"a\":1,\"a\":256}", vec![OutOfRange]),
        ("{\"a\":256,\"a\":1}", vec![OutOfRange]),
        ("{\"a\":1,\"x\":{\"a\":256}}", vec![]),
        ("[{\"a\":1},{\"a\":2}]", vec![]),
        ("[]", vec![]),
    ] {
        assert_eq!(codes(&rules, body), expected, "{body}");
    }
}

#[test]
fn more_fields_than_a_word_has_bits() {
    for count in [63, 64, 65, 128, 129, 200] {
        let names: Vec<_> = (0..count).map(|number| format!("f{number}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "UInt8")).collect();
        let inner: Vec<_> = fields
            .iter()
            .map(|(name, type_)| format!("{name} {type_}"))
            .collect();
        let nested = format!("Array(Tuple({}))", inner.join(", "));
        let fields = [&fields[..], &[("nested", &nested)]].concat();
        let rules = rules(&fields, UnknownFields::Reject);
        let members = |left_out: usize| {
            let kept = names
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != left_out);
            let members = kept.map(|(index, name)| format!("\"{name}\":{}", index % 256));
            members.rev().collect::<Vec<_>>().join(",")
        };
        let all = members(count);
        let body = |outer: &str, inner: &str| {
            format!("{{\"nested\":[{{{all}}},{{{inner}}},{{{all}}}],{outer}}}")
        };
        assert_eq!(codes(&rules, &body(&all, &all)), []);
        for left_out in [0, 1, 62, count - 1] {
            let (name, some) = (&names[left_out], members(left_out));
            let reported = error(&rules, &body(&some, &all));
            assert_eq!(
                (reported.code, reported.path),
                (MissingField, format!("$.{name}"))
            );
            let reported = error(&rules, &body(&all, &some));
            let path = format!("$.nested[1].{name}");
            assert_eq!((reported.code, reported.path), (MissingField, path));
        }
    }
}

#[test]
fn unknown_fields_are_inherited() {
    let type_ = "Array(Tuple(a UInt8, t Tuple(b UInt8)))";
    let body = r#"{"v":[{"a":1,"x":1,"t":{"b":1,"y":{"z":1}}}],"w":1,"j":{"k":1},"m":{"n":1}}"#;
    let fields = [("v", type_), ("j", "JSON"), ("m", "Map(String, UInt8)")];
    let forward = rules(&fields, UnknownFields::Forward);
    assert_eq!(codes(&forward, body), []);
    let reject = rules(&fields, UnknownFields::Reject);
    let rejection = validate(&reject, body).expect_err("unknown fields");
    let reported = rejection.errors.iter();
    let reported: Vec<_> = reported
        .map(|error| (error.code, error.path.as_str()))
        .collect();
    let paths = ["$.v[0].x", "$.v[0].t.y", "$.w"];
    assert_eq!(reported, paths.map(|path| (UnknownField, path)));

    // An object of its own mind decides for those within it.
    let inner = Object {
        fields: vec![field("t", "Tuple(b UInt8)")],
        unknown_fields: Some(UnknownFields::Forward),
    };
    let outer = Field::declared(
        "o".to_owned(),
        Type {
            kind: Kind::Object(inner),
            text: "an object".to_owned(),
        },
        false,
    );
    let rules = Rules::compile(&[outer], UnknownFields::Reject);
    let reported = error(&rules, r#"{"o":{"t":{"b":1,"x":1},"x":1},"x":1}"#);
    assert_eq!(
        (reported.code, reported.path.as_str()),
        (UnknownField, "$.x")
    );
}

#[test]
fn typed_paths_of_json() {
    check(
        "JSON",
        &[
            ("{}", None),
            ("{\"a\":[1]}", None),
            ("[]", Some(WrongType)),
            ("1", Some(WrongType)),
        ],
    );
    let type_ = "JSON(name String, a.b Int64, a.c Nullable(UInt8), max_dynamic_paths=8, SKIP x)";
    check(
        type_,
        &[
            (r#"{"name":"n","a":{"b":1}}"#, None),
            (r#"{"name":"n","a":{"c":null,"b":1,"d":{}},"x":[]}"#, None),
            (r#"{"name":"n","a":{"c":1}}"#, Some(MissingField)),
            (r#"{"name":"n"}"#, Some(MissingField)),
            (r#"{"name":null,"a":{"b":1}}"#, Some(WrongType)),
            (r#"{"name":"n","a":1}"#, Some(WrongType)),
            (r#"{"name":"n","a":null}"#, Some(WrongType)),
            (r#"{"name":"n","a":{"b":"1.5"}}"#, Some(BadFormat)),
            (r#"{"name":"n","a":{"b":1,"c":256}}"#, Some(OutOfRange)),
        ],
    );
    check(
        "JSON(a.b Nullable(Int64))",
        &[("{}", None), ("{\"a\":null}", None), ("{\"a\":{}}", None)],
    );
    // Whatever else it holds is its own affair.
    let rules = rules(&[("v", "JSON(a.b UInt8)")], UnknownFields::Reject);
    assert_eq!(codes(&rules, r#"{"v":{"x":1,"a":{"b":1,"y":1}}}"#), []);
}

#[test]
fn depth_is_checked_by_the_parser() {
    let limits = ValidateLimits {
        json_depth_max: 5,
        ..LIMITS
    };
    let rules = rules(
        &[("v", "Array(Array(Array(UInt8)))")],
        UnknownFields::Forward,
    );
    let mut validator = Validator::new(limits);
    for (body, code) in [
        (r#"[{"v":[[[1]]]}]"#, None),
        (r#"[{"v":[[[[1]]]]}]"#, Some(ErrorCode::TooDeep)),
        (r#"{"v":[[[[1]]]]}"#, Some(WrongType)),
    ] {
        let result = validator.validate(body.as_bytes(), Format::Json, &rules);
        let reported = result.err().map(|rejection| rejection.errors[0].code);
        assert_eq!(reported, code, "{body}");
    }
}

#[test]
fn on_invalid_does_not_change_a_single_record() {
    let mut rules = rules(&[("v", "UInt8")], UnknownFields::Forward);
    rules.on_invalid = OnInvalid::AcceptValid;
    assert_eq!(validate(&rules, "{\"v\":1}"), Ok(1));
    assert_eq!(error(&rules, "{\"v\":256}").code, OutOfRange);
}
