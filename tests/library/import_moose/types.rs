//! Columns: types in every spelling of Moose, defaults, annotations, odd names.

use ringest::config::Config;
use serde_json::{Value, json};

use super::{Place, column, map_of, stderr};

/// `[fields]` of a model with these columns, and the remarks on them.
fn imported(columns: &Value) -> (String, String) {
    let place = Place::new(&map_of(columns));
    place.imported(&[]);
    let file = place.read("conf/models/Thing.toml");
    let (head, fields) = file.split_once("[fields]\n").expect("fields");
    let remarks = head.split("name = ").next().expect("a head");
    (fields.to_owned(), remarks.to_owned())
}

/// The type of a column of the map, as TOML has it.
fn type_of(data_type: &Value) -> String {
    let (fields, _) = imported(&json!([column("v", data_type)]));
    let table: toml::Table = fields.parse().expect("TOML");
    table["v"].as_str().expect("a type").to_owned()
}

fn array(of: &Value) -> Value {
    json!({"elementType": of, "elementNullable": false})
}

#[test]
fn every_type_has_its_clickhouse_name() {
    for (moose, clickhouse) in [
        ("String", "String"),
        ("FixedString(8)", "FixedString(8)"),
        ("Boolean", "Bool"),
        ("Int", "Int64"),
        ("Int8", "Int8"),
        ("UInt256", "UInt256"),
        ("Float", "Float64"),
        ("Float32", "Float32"),
        ("Decimal", "Decimal(10, 0)"),
        ("Decimal(10)", "Decimal(10, 0)"),
        ("Decimal(76, 76)", "Decimal(76, 76)"),
        ("Decimal(10,2)", "Decimal(10, 2)"),
        ("DateTime", "DateTime"),
        ("DateTime(0)", "DateTime64(0)"),
        ("DateTime(9)", "DateTime64(9)"),
        ("Date", "Date32"),
        ("Date16", "Date"),
        ("Json", "JSON"),
        ("UUID", "UUID"),
        ("IPv4", "IPv4"),
        ("IPv6", "IPv6"),
        ("MultiPolygon", "MultiPolygon"),
    ] {
        assert_eq!(type_of(&json!(moose)), clickhouse);
    }
}

#[test]
fn compound_types_in_both_spellings() {
    let int = json!("Int32");
    for (moose, clickhouse) in [
        (array(&int), "Array(Int32)"),
        (
            json!({"element_type": int, "element_nullable": true}),
            "Array(Nullable(Int32))",
        ),
        (
            json!({"elementType": {"nullable": int}, "elementNullable": true}),
            "Array(Nullable(Int32))",
        ),
        (array(&array(&int)), "Array(Array(Int32))"),
        (json!({"nullable": int}), "Nullable(Int32)"),
        (json!({"nullable": {"nullable": int}}), "Nullable(Int32)"),
        (
            json!({"keyType": "String", "valueType": array(&int)}),
            "Map(String, Array(Int32))",
        ),
        (
            json!({"key_type": "UUID", "value_type": "Boolean"}),
            "Map(UUID, Bool)",
        ),
        (
            json!({"fields": [["lat", "Float64"], ["it's", {"nullable": "String"}]]}),
            "Tuple(lat Float64, `it's` Nullable(String))",
        ),
        (json!({"fields": []}), "JSON"),
        (
            json!({"name": "N", "jwt": false, "columns": [
                column("a", &int),
                {"name": "b c", "data_type": "Int8", "required": false},
            ]}),
            "Nested(a Int32, `b c` Nullable(Int8))",
        ),
        (json!({"max_dynamic_paths": null}), "JSON"),
        (
            json!({
                "maxDynamicPaths": 16,
                "max_dynamic_types": 8,
                "typed_paths": [["a.b", "Int32"], ["x-y", {"nullable": "Date"}]],
                "skip_paths": ["c"],
                "skip_regexps": ["^it's\\d"],
            }),
            "JSON(max_dynamic_types=8, max_dynamic_paths=16, a.b Int32, `x-y` Nullable(Date32), \
             SKIP c, SKIP REGEXP '^it\\'s\\\\d')",
        ),
    ] {
        assert_eq!(type_of(&moose), clickhouse, "{moose}");
    }
}

#[test]
fn enums_by_texts_and_by_numbers() {
    let numbered = |numbers: &[i64]| {
        let member = |it: &i64| json!({"name": format!("N{it}"), "value": {"Int": it}});
        json!({"name": "E", "values": numbers.iter().map(member).collect::<Vec<_>>()})
    };
    let written = |count: usize| {
        let member = |it| json!({"name": format!("K{it}"), "value": {"String": format!("v{it}")}});
        json!({"name": "E", "values": (0..count).map(member).collect::<Vec<_>>()})
    };
    assert_eq!(
        type_of(&numbered(&[-128, 127])),
        "Enum8('N-128' = -128, 'N127' = 127)"
    );
    assert_eq!(
        type_of(&numbered(&[-129, 0])),
        "Enum16('N-129' = -129, 'N0' = 0)"
    );
    assert_eq!(
        type_of(&numbered(&[0, 128])),
        "Enum16('N0' = 0, 'N128' = 128)"
    );
    // A text is known by itself, not by its member's name, and counted from 1.
    assert_eq!(type_of(&written(2)), "Enum8('v0' = 1, 'v1' = 2)");
    assert!(type_of(&written(127)).starts_with("Enum8("));
    assert!(type_of(&written(128)).starts_with("Enum16("));
    let odd = json!({"name": "E", "values": [{"name": "A", "value": {"String": "it's \\ \"x\""}}]});
    assert_eq!(type_of(&odd), "Enum8('it\\'s \\\\ \"x\"' = 1)");
}

#[test]
fn what_is_not_required_is_nullable_once() {
    let optional = |name: &str, data_type: Value| json!({"name": name, "data_type": data_type, "required": false});
    let (fields, _) = imported(&json!([
        optional("a", json!("Int8")),
        optional("b", json!({"nullable": "Int8"})),
        optional("c", array(&json!("Int8"))),
    ]));
    assert_eq!(
        fields,
        "a = \"Nullable(Int8)\"\nb = \"Nullable(Int8)\"\nc = \"Nullable(Array(Int8))\"\n"
    );
}

#[test]
fn annotations_change_the_text_only() {
    let annotated = |name: &str, required: bool, annotations: Value| json!({"name": name, "data_type": "String", "required": required, "annotations": annotations});
    let any = json!({"functionName": "anyLast", "argumentType": "String"});
    let unique = json!({"functionName": "uniq", "argumentTypes": ["String"]});
    let (fields, remarks) = imported(&json!([
        annotated("a", true, json!([["LowCardinality", true]])),
        annotated("b", false, json!([["LowCardinality", true]])),
        annotated("c", true, json!([["LowCardinality", false]])),
        annotated(
            "d",
            true,
            json!([["simpleAggregationFunction", any], ["LowCardinality", true]])
        ),
        annotated("e", true, json!([["aggregationFunction", unique]])),
        annotated("f", true, json!([["stringDate", true]])),
    ]));
    assert_eq!(
        fields,
        "\
a = \"LowCardinality(String)\"
b = \"LowCardinality(Nullable(String))\"
c = \"String\"
d = \"SimpleAggregateFunction(anyLast, String)\"
e = \"String\"
f = \"String\"
"
    );
    assert_eq!(
        remarks,
        "# e: the table keeps the state of uniq; what clients send is String\n"
    );
}

#[test]
fn defaults_comments_and_what_is_not_sent() {
    let mut columns = json!([
        {"name": "n", "default": "7", "comment": "How\n many [MOOSE_METADATA:DO_NOT_MODIFY] {}"},
        {"name": "s", "default": "'it\\'s \"x\"'", "required": false},
        {"name": "day", "materialized": "toDate(at)"},
        {"name": "up", "alias": "upper(s)\n"},
        {"name": "kept", "ttl": "at + INTERVAL 1 DAY", "codec": "ZSTD(3)"},
        {"name": "who", "data_type": {"name": "J", "jwt": true, "columns": []}},
    ]);
    for column in columns.as_array_mut().expect("an array") {
        for (key, value) in [("data_type", json!("String")), ("required", json!(true))] {
            if column.get(key).is_none() {
                column[key] = value;
            }
        }
    }
    let (fields, remarks) = imported(&columns);
    assert_eq!(
        fields,
        "\
n = { type = \"String\", default = \"7\" }  # How many
s = { type = \"Nullable(String)\", default = \"'it\\\\'s \\\"x\\\"'\" }
# day: MATERIALIZED toDate(at); not sent by clients; any value is accepted
# up: ALIAS upper(s)
# ; not sent by clients; any value is accepted
kept = \"String\"
# who: Moose inserts the claims of the client's token here; ringest forwards records unchanged
"
    );
    assert_eq!(
        remarks,
        "\
# kept: TTL at + INTERVAL 1 DAY applies to the table and is not imported
# kept: CODEC ZSTD(3) applies to the table and is not imported
"
    );
}

#[test]
fn a_default_inside_an_object_is_said() {
    let inner = json!({"name": "N", "columns": [
        {"name": "n", "data_type": "Int8", "required": true, "default": "7"},
        {"name": "m", "data_type": "Int8", "required": true, "materialized": "n + 1"},
    ]});
    let (fields, remarks) = imported(&json!([column("page", &inner)]));
    assert_eq!(fields, "page = \"Nested(n Nullable(Int8))\"\n");
    assert_eq!(
        remarks,
        "\
# page.n: may be omitted (default 7), so Nullable here; Moose refuses null
# page.m: MATERIALIZED n + 1; not sent by clients; any value is accepted
"
    );
}

#[test]
fn fields_keep_their_order_and_any_name_survives() {
    let names = [
        "zeta",
        "Alpha",
        "a.b",
        "naïve",
        "say \"hi\"",
        "back\\slash",
        "line\nend",
        "#",
        "\u{7f}",
        "fields",
        "'",
        "[x]",
        "1",
        "true",
        "💧",
        "a`b",
    ];
    let columns: Vec<_> = names
        .iter()
        .map(|name| column(name, &json!("Int8")))
        .collect();
    let nested = json!({"name": "N", "columns": columns});
    let mut all = columns.clone();
    all.push(column("nested", &nested));
    let place = Place::new(&map_of(&json!(all)));
    place.imported(&[]);
    let variables = [("RINGEST_AUTH__MODE", "none")];
    let check = place.ringest(&["--config", "conf/ringest.toml", "--check"], &variables);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(&place.path("conf/ringest.toml"), variables.into_iter());
    let config = config.expect("it is good");
    let fields = config.models[0].fields.as_ref().expect("fields");
    let read: Vec<_> = fields.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(read, [&names[..], &["nested"]].concat());
}
