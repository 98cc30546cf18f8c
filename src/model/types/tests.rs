//! The type language: each type, each error with its position, and what must always hold.

mod always;
mod faults;

use super::*;

fn kind(text: &str) -> Kind {
    match Type::parse(text) {
        Ok(found) => found.kind,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn type_(text: &str) -> Type {
    let kind = kind(text);
    Type {
        kind,
        text: text.to_owned(),
    }
}

fn array(inner: &str) -> Kind {
    Kind::Array(Box::new(type_(inner)))
}

fn members(list: &[(&str, i16)]) -> Kind {
    let members = list.iter();
    Kind::Enum(
        members
            .map(|(name, it)| ((*name).to_owned(), *it))
            .collect(),
    )
}

fn object(fields: &[(&str, &str)]) -> Kind {
    let fields = fields
        .iter()
        .map(|(name, text)| Field::declared((*name).to_owned(), type_(text), false));
    Kind::Object(Object {
        fields: fields.collect(),
        unknown_fields: None,
    })
}

fn json(paths: &[(&[&str], &str)]) -> Kind {
    let member = |name: &&str| (*name).to_owned();
    let paths = paths.iter();
    Kind::Json(
        paths
            .map(|(path, text)| (path.iter().map(member).collect(), type_(text)))
            .collect(),
    )
}

#[test]
fn types_without_parts() {
    for (text, expected) in [
        ("String", Kind::String),
        ("FixedString(1)", Kind::FixedString(1)),
        ("FixedString(16777215)", Kind::FixedString(16_777_215)),
        ("Bool", Kind::Bool),
        ("Float32", Kind::Float),
        ("Float64", Kind::Float),
        ("Decimal", Kind::Decimal),
        ("Decimal(1)", Kind::Decimal),
        ("Decimal(76, 76)", Kind::Decimal),
        ("Decimal(1, 0)", Kind::Decimal),
        ("Decimal32(9)", Kind::Decimal),
        ("Decimal64(18)", Kind::Decimal),
        ("Decimal128(38)", Kind::Decimal),
        ("Decimal256(76)", Kind::Decimal),
        ("Date", Kind::Date),
        ("Date32", Kind::Date),
        ("DateTime", Kind::DateTime),
        ("DateTime('Europe/Amsterdam')", Kind::DateTime),
        ("DateTime64", Kind::DateTime),
        ("DateTime64(0)", Kind::DateTime),
        ("DateTime64(9, 'UTC')", Kind::DateTime),
        ("UUID", Kind::Uuid),
        ("IPv4", Kind::Ipv4),
        ("IPv6", Kind::Ipv6),
        ("LowCardinality(String)", Kind::String),
        ("LowCardinality(FixedString(2))", Kind::FixedString(2)),
        ("SimpleAggregateFunction(max, Date)", Kind::Date),
        ("SimpleAggregateFunction(f(1, 'a'), Bool)", Kind::Bool),
        ("SimpleAggregateFunction(f(), Bool)", Kind::Bool),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
    for bits in [8, 16, 32, 64, 128, 256] {
        for (name, signed) in [("Int", true), ("UInt", false)] {
            let text = format!("{name}{bits}");
            assert_eq!(kind(&text), Kind::Integer { signed, bits });
        }
    }
}

#[test]
fn enums_have_the_numbers_that_clickhouse_gives_them() {
    for (text, expected) in [
        (
            "Enum8('a' = -128, 'b' = 127)",
            &[("a", -128), ("b", 127)][..],
        ),
        (
            "Enum16('a' = -32768, 'b' = 32767)",
            &[("a", -32768), ("b", 32767)],
        ),
        ("Enum('a' = 300)", &[("a", 300)]),
        ("Enum('a','b')", &[("a", 1), ("b", 2)]),
        ("Enum8('a', 'b' = 7, 'c')", &[("a", 1), ("b", 7), ("c", 8)]),
        ("Enum8('' = +0)", &[("", 0)]),
        (
            r"Enum8('it\'s', 'it''s not', 'a\\b\n', '\d', 'café', '(,=)')",
            &[
                ("it's", 1),
                ("it's not", 2),
                ("a\\b\n", 3),
                (r"\d", 4),
                ("café", 5),
                ("(,=)", 6),
            ],
        ),
    ] {
        assert_eq!(kind(text), members(expected), "{text}");
    }
}

#[test]
fn types_with_parts() {
    let boxed = |text| Box::new(type_(text));
    for (text, expected) in [
        ("Nullable(UUID)", Kind::Nullable(boxed("UUID"))),
        (
            "Nullable(Array(String))",
            Kind::Nullable(boxed("Array(String)")),
        ),
        ("Nullable(JSON)", Kind::Nullable(boxed("JSON"))),
        ("Nullable(Point)", Kind::Nullable(boxed("Point"))),
        (
            "Nullable(Nested(a Int8))",
            Kind::Nullable(boxed("Nested(a Int8)")),
        ),
        (
            "LowCardinality(Nullable(String))",
            Kind::Nullable(boxed("String")),
        ),
        ("Array(Array(Int8))", array("Array(Int8)")),
        (
            "Map(String, Array(Int8))",
            Kind::Map(boxed("String"), boxed("Array(Int8)")),
        ),
        ("Tuple(String)", Kind::Tuple(vec![type_("String")])),
        (
            "Tuple(String, Nullable(Int8))",
            Kind::Tuple(vec![type_("String"), type_("Nullable(Int8)")]),
        ),
        ("Tuple(String String)", object(&[("String", "String")])),
        (
            "Tuple(a Int8, A Int8, `b c` Tuple(d Bool), \"e.f`\" UUID, `g``h` Bool, _1$ Bool)",
            object(&[
                ("a", "Int8"),
                ("A", "Int8"),
                ("b c", "Tuple(d Bool)"),
                ("e.f`", "UUID"),
                ("g`h", "Bool"),
                ("_1$", "Bool"),
            ]),
        ),
        (
            "Nested(a Nested(b Date))",
            object(&[("a", "Nested(b Date)")]),
        ),
        ("JSON", json(&[])),
        ("JSON()", json(&[])),
        (
            "JSON(max_dynamic_paths=0, max_dynamic_types = 254)",
            json(&[]),
        ),
        (
            "JSON(a.b String, skip c.d, SKIP REGEXP '^e\\d', SKIP regexp, SKIP `f g`.h, \
             max_dynamic_paths=10000, `a.c` Int8, regexp Bool)",
            json(&[
                (&["a", "b"], "String"),
                (&["a", "c"], "Int8"),
                (&["regexp"], "Bool"),
            ]),
        ),
        (
            "JSON(ab Bool, a Bool)",
            json(&[(&["ab"], "Bool"), (&["a"], "Bool")]),
        ),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn keys_of_maps_are_what_a_text_can_be() {
    for key in [
        "String",
        "LowCardinality(String)",
        "FixedString(3)",
        "UInt256",
        "Float64",
        "UUID",
        "IPv4",
        "IPv6",
        "Date",
        "Date32",
        "DateTime",
        "Enum8('a')",
    ] {
        let text = format!("Map({key}, Bool)");
        let Kind::Map(found, _) = kind(&text) else {
            panic!("{text}");
        };
        assert_eq!(found.text, key);
    }
    for key in [
        "Bool",
        "Nullable(String)",
        "Decimal(3)",
        "Array(String)",
        "JSON",
        "Point",
    ] {
        let error = Type::parse(&format!("Map( {key}, Bool)")).expect_err(key);
        assert_eq!(error.offset, 5, "{error}");
        let expected = format!("the keys of a Map can't be {key}: use String");
        assert!(error.message.starts_with(&expected), "{error}");
    }
}

#[test]
fn geometries_are_arrays_of_points() {
    let Kind::Tuple(point) = kind("Point") else {
        panic!("a point is a pair");
    };
    assert_eq!(point, [type_("Float64"), type_("Float64")]);
    for (text, inner) in [
        ("Ring", "Point"),
        ("LineString", "Point"),
        ("Polygon", "Ring"),
        ("MultiLineString", "LineString"),
        ("MultiPolygon", "Polygon"),
    ] {
        assert_eq!(kind(text), array(inner), "{text}");
    }
}

#[test]
fn the_text_of_a_part_is_its_own() {
    let text = " \n Map ( String ,\tArray( Tuple( a  Int8,b\nDateTime64 ( 3 ) ) ) ) \r\n";
    let map = Type::parse(text).expect("a type");
    assert_eq!(map.text, text.trim());
    let Kind::Map(key, value) = &map.kind else {
        panic!("{map:?}");
    };
    assert_eq!(key.text, "String");
    assert_eq!(value.text, "Array( Tuple( a  Int8,b\nDateTime64 ( 3 ) ) )");
    let Kind::Array(tuple) = &value.kind else {
        panic!("{value:?}");
    };
    assert_eq!(tuple.text, "Tuple( a  Int8,b\nDateTime64 ( 3 ) )");
    let Kind::Object(object) = &tuple.kind else {
        panic!("{tuple:?}");
    };
    let texts: Vec<_> = object
        .fields
        .iter()
        .map(|it| it.type_.text.as_str())
        .collect();
    assert_eq!(texts, ["Int8", "DateTime64 ( 3 )"]);
}

#[test]
fn nesting_is_bounded() {
    let around = |levels: usize, inner: &str| {
        format!("{}{inner}{}", "Array(".repeat(levels), ")".repeat(levels))
    };
    for (levels, inner) in [
        (Type::DEPTH_MAX - 1, "Int8"),
        (Type::DEPTH_MAX - 2, "Nullable(Int8)"),
        (Type::DEPTH_MAX - 2, "Point"),
        (Type::DEPTH_MAX - 5, "MultiPolygon"),
        (Type::DEPTH_MAX - 2, "JSON(a Int8)"),
        (Type::DEPTH_MAX - 4, "JSON(a.b.c Int8)"),
    ] {
        // What comes after is read at its own depth again.
        let good = format!("Tuple({}, Int8)", around(levels - 1, inner));
        assert!(Type::parse(&good).is_ok(), "{good}");
        let bad = around(levels + 1, inner);
        let error = Type::parse(&bad).expect_err(&bad);
        assert_eq!(error.message, "more than 32 nested types");
    }
    let endless = "Array(".repeat(1_000_000);
    let error = Type::parse(&endless).expect_err("too deep");
    assert_eq!(error.offset, "Array(".len() * Type::DEPTH_MAX);
}
