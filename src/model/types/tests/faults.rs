//! Errors about texts that are not types, and their positions.

use super::super::Type;

/// Each text has a `^` before the position that its error must point to.
const FAULTS: [(&str, &str); 85] = [
    (
        "^",
        "a type is expected, such as String (the type ends here)",
    ),
    (
        "  ^",
        "a type is expected, such as String (the type ends here)",
    ),
    ("^(String)", "a type is expected, such as String (not '(')"),
    (
        "^'String'",
        "a type is expected, such as String (not '\\'')",
    ),
    ("Array(^)", "a type is expected, such as String (not ')')"),
    ("Array(^8)", "a type is expected, such as String (not '8')"),
    ("String^)", "the type should end here (not ')')"),
    (
        "String ^String",
        "the type should end here (not \"String\")",
    ),
    ("Int8^, Int8", "the type should end here (not ',')"),
    (
        "Array(^Sting)",
        "unknown type \"Sting\"; did you mean String?",
    ),
    ("^int32", "unknown type \"int32\"; did you mean Int32?"),
    ("^Int31", "unknown type \"Int31\"; did you mean Int32?"),
    ("^Int08", "unknown type \"Int08\"; did you mean Int8?"),
    ("^Boolean", "unknown type \"Boolean\"; did you mean Bool?"),
    ("^Integer", "unknown type \"Integer\"; did you mean Int64?"),
    (
        "^Tupel(a Int8)",
        "unknown type \"Tupel\"; did you mean Tuple(a T, b U) or Tuple(T, U)?",
    ),
    ("^Xyzzy", "unknown type \"Xyzzy\""),
    ("String^(10)", "String takes no parameters"),
    ("Int8 ^()", "Int8 takes no parameters"),
    ("Ring^(1)", "Ring takes no parameters"),
    (
        "FixedString^",
        "\"(\" is expected, as in FixedString(16) (the type ends here)",
    ),
    (
        "FixedString(^)",
        "the length in bytes is a whole number from 1 to 16777215 (not ')')",
    ),
    (
        "FixedString(^0)",
        "the length in bytes is a whole number from 1 to 16777215, not 0",
    ),
    (
        "FixedString( ^16777216)",
        "the length in bytes is a whole number from 1 to 16777215, not 16777216",
    ),
    (
        "FixedString(^-99999999999999999999)",
        "the length in bytes is a whole number from 1 to 16777215, not -99999999999999999999",
    ),
    (
        "FixedString(1^.5)",
        "\")\" is expected, as in FixedString(16) (not '.')",
    ),
    (
        "Decimal(^0)",
        "the precision (digits in all) is a whole number from 1 to 76, not 0",
    ),
    (
        "Decimal(^77)",
        "the precision (digits in all) is a whole number from 1 to 76, not 77",
    ),
    (
        "Decimal(9, ^10)",
        "the scale (digits after the point) is a whole number from 0 to 9, not 10",
    ),
    (
        "Decimal(9, ^-1)",
        "the scale (digits after the point) is a whole number from 0 to 9, not -1",
    ),
    (
        "Decimal(9, 1^, 2)",
        "\")\" is expected, as in Decimal(18, 4) (not ',')",
    ),
    (
        "Decimal32^",
        "\"(\" is expected, as in Decimal32(4) (the type ends here)",
    ),
    (
        "Decimal32(^10)",
        "the scale (digits after the point) is a whole number from 0 to 9, not 10",
    ),
    (
        "Decimal64(^19)",
        "the scale (digits after the point) is a whole number from 0 to 18, not 19",
    ),
    (
        "Decimal128(^39)",
        "the scale (digits after the point) is a whole number from 0 to 38, not 39",
    ),
    (
        "Decimal256(^77)",
        "the scale (digits after the point) is a whole number from 0 to 76, not 77",
    ),
    (
        "DateTime(^3)",
        "DateTime has no precision; DateTime64(3) has milliseconds",
    ),
    (
        "DateTime(^UTC)",
        "a time zone is expected, such as 'UTC' (not \"UTC\")",
    ),
    ("DateTime(^'')", "the time zone is empty"),
    (
        "DateTime64(^10)",
        "the precision (digits of a second's fraction) is a whole number from 0 to 9, not 10",
    ),
    (
        "DateTime64(^'UTC')",
        "the precision (digits of a second's fraction) is a whole number from 0 to 9 (not '\\'')",
    ),
    (
        "DateTime64(3, ^)",
        "a time zone is expected, such as 'UTC' (not ')')",
    ),
    (
        "Enum8^",
        "\"(\" is expected, as in Enum8('a' = 1, 'b' = 2) (the type ends here)",
    ),
    (
        "Enum8(^)",
        "a name in single quotes is expected, as in Enum8('a' = 1, 'b' = 2) (not ')')",
    ),
    (
        "Enum8('a',^)",
        "a name in single quotes is expected, as in Enum8('a' = 1, 'b' = 2) (not ')')",
    ),
    (
        "Enum8(^a = 1)",
        "a name in single quotes is expected, as in Enum8('a' = 1, 'b' = 2) (not \"a\")",
    ),
    (
        "Enum8('a' = ^128)",
        "the number of a member of Enum8 is a whole number from -128 to 127, not 128",
    ),
    (
        "Enum8('a' = ^-129)",
        "the number of a member of Enum8 is a whole number from -128 to 127, not -129",
    ),
    (
        "Enum('a' = ^32768)",
        "the number of a member of Enum is a whole number from -32768 to 32767, not 32768",
    ),
    (
        "Enum8('a' = 127, ^'b')",
        "the number of a member of Enum8 would be 128, beyond 127",
    ),
    (
        "Enum16('a' = 32767, ^'b')",
        "the number of a member of Enum16 would be 32768, beyond 32767",
    ),
    ("Enum8('a' = 1, ^'a' = 2)", "\"a\" is a member already"),
    ("Enum8('a' = 1, 'b' = ^1)", "the number 1 is taken already"),
    (
        "Enum8('a' = 2, 'b' = 1, ^'c')",
        "the number 2 is taken already",
    ),
    (
        "Enum8('a' ^1)",
        "\")\" is expected, as in Enum8('a' = 1, 'b' = 2) (not '1')",
    ),
    ("Enum8(^'a)", "the text has no closing '"),
    ("Enum8(^'a\\", "the text has no closing '"),
    (
        "Enum8('a^\\x41')",
        "\"\\x\" is not supported: write the character itself",
    ),
    (
        "Nullable(^Nullable(Int8))",
        "Nullable(Int8) is nullable already",
    ),
    (
        "Nullable( ^LowCardinality(Nullable(Int8)))",
        "LowCardinality(Nullable(Int8)) is nullable already",
    ),
    (
        "LowCardinality(^Array(String))",
        "LowCardinality is for strings, numbers and dates, not for Array(String)",
    ),
    (
        "SimpleAggregateFunction(^'f', Int8)",
        "a function is expected, as in SimpleAggregateFunction(sum, UInt64) (not '\\'')",
    ),
    (
        "SimpleAggregateFunction(f^)",
        "\",\" is expected, as in SimpleAggregateFunction(f, T) (not ')')",
    ),
    (
        "SimpleAggregateFunction(f, Int8^, Int8)",
        "\")\" is expected, as in SimpleAggregateFunction(f, T) (not ',')",
    ),
    (
        "Array(Int8^, Int8)",
        "\")\" is expected, as in Array(T) (not ',')",
    ),
    (
        "Array(Array(Int8)^",
        "\")\" is expected, as in Array(T) (the type ends here)",
    ),
    (
        "Map(String^)",
        "\",\" is expected, as in Map(K, V) (not ')')",
    ),
    ("Tuple(^)", "a type is expected, such as String (not ')')"),
    (
        "Tuple(a Int8, ^Int8)",
        "the elements before this one have names, this has none",
    ),
    (
        "Tuple(Int8, ^a Int8)",
        "the elements before this one have no names",
    ),
    ("Tuple(a Int8, ^a Int16)", "\"a\" is already declared"),
    ("Tuple(a Int8, ^`a` Int16)", "\"a\" is already declared"),
    ("Tuple(^`` Int8)", "an empty name"),
    ("Tuple(^`a Int8)", "the text has no closing `"),
    (
        "Tuple(a Int8,^)",
        "a type is expected, such as String (not ')')",
    ),
    (
        "Nested(^Int8)",
        "a name and a type are expected, as in Nested(a T, b U) (not \"Int8\")",
    ),
    (
        "Nested(^)",
        "a name and a type are expected, as in Nested(a T, b U) (not ')')",
    ),
    (
        "JSON(^max_dynamic_path=3)",
        "unknown option \"max_dynamic_path\" of JSON; did you mean max_dynamic_paths?",
    ),
    (
        "JSON(max_dynamic_paths=^10001)",
        "max_dynamic_paths is a whole number from 0 to 10000, not 10001",
    ),
    (
        "JSON(a.b Int8, ^a String)",
        "this path meets a.b, which has a type already",
    ),
    ("JSON(a^)", "a type is expected, such as String (not ')')"),
    (
        "JSON(a. String^)",
        "a type is expected, such as String (not ')')",
    ),
    ("JSON(a.^)", "a path is expected, such as a.b (not ')')"),
    ("JSON(^`a..b` Int8)", "an empty name"),
    ("JSON(SKIP^)", "a path is expected, such as a.b (not ')')"),
];

#[test]
fn an_error_has_its_position() {
    for (marked, message) in FAULTS {
        let offset = marked.find('^').expect("a mark");
        let text = marked.replace('^', "");
        let error = Type::parse(&text).expect_err(marked);
        assert_eq!(
            (error.offset, error.message.as_str()),
            (offset, message),
            "{marked}"
        );
    }
}

#[test]
fn unsupported_types_have_an_alternative() {
    for (name, instead) in [
        ("AggregateFunction", "SimpleAggregateFunction(f, T)"),
        ("BFloat16", "Float32"),
        ("Dynamic", "JSON"),
        ("Geometry", "Polygon"),
        ("IntervalDay", "Int64"),
        ("Nothing", "unknown_fields = \"forward\""),
        ("Object", "JSON"),
        ("QBit", "Array(Float32)"),
        ("Time", "String"),
        ("Time64", "Decimal64(3)"),
        ("Variant", "unknown_fields = \"forward\""),
    ] {
        let text = format!("Array({name}(3))");
        let error = Type::parse(&text).expect_err(name);
        assert_eq!(error.offset, 6, "{error}");
        let start = format!("\"{name}\" cannot be validated: ");
        assert!(error.message.starts_with(&start), "{error}");
        assert!(error.message.contains(instead), "{error}");
    }
}

#[test]
fn an_error_shows_the_text_and_points_into_it() {
    let shown = |text: &str| Type::parse(text).expect_err(text).to_string();
    assert_eq!(
        shown("Map(String, Strng)"),
        "unknown type \"Strng\"; did you mean String?\n    Map(String, Strng)\n                ^"
    );
    assert_eq!(
        shown("Int8)"),
        "the type should end here (not ')')\n    Int8)\n        ^"
    );
    // Of a long text the part around the fault, of several lines the one with it.
    let before = "Enum8('é'), ".repeat(9);
    let text = format!("Tuple(\n{before}\tUUIDs,{})", " ".repeat(40));
    let shown = shown(&text);
    let lines: Vec<_> = shown.lines().collect();
    let enums = "Enum8('é'), ".repeat(2);
    let line = format!("    …num8('é'), {enums} UUIDs,{}…", " ".repeat(30));
    assert_eq!(lines[1..], [line.as_str(), &format!("{}^", " ".repeat(41))]);
}
