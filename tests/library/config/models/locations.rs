//! `partition_key` and `timestamp_field`: places in a record.

use super::{errors, model};

/// Fields of every sort that a path can meet.
const FIELDS: &str = "[fields]
id = \"UInt64\"
user = \"Nullable(Tuple(id LowCardinality(Nullable(String)), age UInt8, seen Array(DateTime)))\"
\"a.b\" = \"Tuple(`c.d` String)\"
geo = \"Tuple(lat Float64, lon Float64)\"
at = \"Nullable(DateTime64(3))\"
day = \"Date\"
big = \"UInt128\"
pair = \"Tuple(String, Int8)\"
tags = \"Map(String, Int32)\"
props = \"JSON(user.id String, user.at DateTime, user.list Array(Int8), user.in Tuple(z Int8))\"
";

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn a_key_is_where_a_scalar_is_or_anything_may_be() {
    for (text, expected) in [
        ("id", &["id"][..]),
        ("user.id", &["user", "id"]),
        ("\\\"a.b\\\".\\\"c.d\\\"", &["a.b", "c.d"]),
        ("geo.lat", &["geo", "lat"]),
        ("day", &["day"]),
        ("big", &["big"]),
        ("tags.site", &["tags", "site"]),
        ("props.user.id", &["props", "user", "id"]),
        ("props.user.in.z", &["props", "user", "in", "z"]),
        ("props.other.id", &["props", "other", "id"]),
    ] {
        let model = model(&format!("partition_key = \"{text}\"\n{FIELDS}"));
        assert_eq!(model.rules.partition_key, Some(path(expected)), "{text}");
        assert_eq!(model.rules.timestamp_field, None);
    }
    // Without fields anything may be there.
    let model = model("partition_key = \"a.b\"\ntimestamp_field = \"c\"\n");
    assert_eq!(model.rules.partition_key, Some(path(&["a", "b"])));
    assert_eq!(model.rules.timestamp_field, Some(path(&["c"])));
}

#[test]
fn a_timestamp_is_a_time_or_a_number_of_milliseconds() {
    for (text, expected) in [
        ("at", &["at"][..]),
        ("day", &["day"]),
        ("id", &["id"]),
        ("tags.site", &["tags", "site"]),
        ("props.user.at", &["props", "user", "at"]),
        ("props.at", &["props", "at"]),
    ] {
        let model = model(&format!("timestamp_field = \"{text}\"\n{FIELDS}"));
        assert_eq!(model.rules.timestamp_field, Some(path(expected)), "{text}");
    }
    for (text, found) in [
        ("big", "UInt128"),
        ("user.id", "LowCardinality(Nullable(String))"),
        ("geo.lat", "Float64"),
        ("props.user.id", "String"),
    ] {
        let expected = format!(
            "3: timestamp_field: \"{text}\" is not allowed: {text} is {found}, and a timestamp is \
             a DateTime, a Date, or an integer of up to 64 bits (milliseconds since 1970)"
        );
        assert_eq!(
            errors(&format!("timestamp_field = \"{text}\"\n{FIELDS}")),
            [expected]
        );
    }
}

#[test]
fn a_path_to_what_is_no_key_is_told() {
    for (text, expected) in [
        (
            "geo",
            "geo is Tuple(lat Float64, lon Float64), and a partition key is a string, a number \
             or a boolean",
        ),
        (
            "tags",
            "tags is Map(String, Int32), and a partition key is a string, a number or a boolean",
        ),
        (
            "user.seen",
            "user.seen is Array(DateTime), and a partition key is a string, a number or a boolean",
        ),
        ("id.x", "id is UInt64, which has no fields"),
        ("at.x.y", "at is DateTime64(3), which has no fields"),
        ("pair.0", "pair is Tuple(String, Int8), which has no fields"),
        (
            "user.seen.x",
            "user.seen is Array(DateTime), which has no fields",
        ),
        ("tags.a.b", "tags.a is Int32, which has no fields"),
        (
            "props.user",
            "props.user is an object that contains user.id",
        ),
        (
            "props.user.id.x",
            "props.user.id is String, which has no fields",
        ),
        (
            "props.user.list",
            "props.user.list is Array(Int8), and a partition key is a string, a number or a \
             boolean",
        ),
    ] {
        let expected = format!("3: partition_key: \"{text}\" is not allowed: {expected}");
        assert_eq!(
            errors(&format!("partition_key = \"{text}\"\n{FIELDS}")),
            [expected]
        );
    }
}

/// Whether records may have other fields makes no difference: a misspelt name would find nothing.
#[test]
fn a_path_is_declared() {
    for unknown_fields in ["forward", "reject"] {
        let unknown_fields = format!("unknown_fields = \"{unknown_fields}\"");
        for (text, expected) in [
            ("userr", "userr is not declared; did you mean \"user\"?"),
            ("userr.id", "userr is not declared; did you mean \"user\"?"),
            (
                "user.agee",
                "user.agee is not declared; did you mean \"age\"?",
            ),
            ("user.tenant.id", "user.tenant is not declared"),
            ("xyzzy", "xyzzy is not declared"),
        ] {
            let errors_of =
                |key: &str| errors(&format!("{unknown_fields}\n{key} = \"{text}\"\n{FIELDS}"));
            for key in ["partition_key", "timestamp_field"] {
                let expected = format!("4: {key}: \"{text}\" is not allowed: {expected}");
                assert_eq!(errors_of(key), [expected]);
            }
        }
        // JSON may hold anything beside its typed paths.
        let text = format!("{unknown_fields}\npartition_key = \"props.other\"\n{FIELDS}");
        let expected = Some(path(&["props", "other"]));
        assert_eq!(model(&text).rules.partition_key, expected);
    }
}

#[test]
fn what_a_path_is() {
    let deepest = ["a"; 32].join(".");
    assert!(
        model(&format!("partition_key = \"{deepest}\"\n"))
            .rules
            .partition_key
            .is_some()
    );
    let deeper = format!("{deepest}.a");
    for bad in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "\\\"a",
        "\\\"a\\\"b",
        "\\\"\\\"",
        &deeper,
    ] {
        assert_eq!(
            errors(&format!("partition_key = \"{bad}\"\n")),
            [format!(
                "3: partition_key: \"{bad}\" is not allowed: a path of fields such as \"user.id\"; \
                 names with dots in double quotes"
            )]
        );
    }
    // What is wrong with a field is not also wrong with the path to it.
    let text =
        "partition_key = \"a.b\"\nunknown_fields = \"reject\"\n[fields]\na = \"Tuple(b Foo)\"\n";
    assert!(errors(text)[0].starts_with("6: fields.a: unknown type"));
    assert_eq!(errors(text).len(), 3);
}
