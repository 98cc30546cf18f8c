//! What cannot be imported: all of it is reported with its position, and nothing is overwritten.

use std::fs;

use serde_json::{Value, json};

use super::{INGRESS, Place, column, map_of, set, stderr, stdout};

/// What is said of a map of which nothing is written.
fn refused(map: &str) -> String {
    let place = Place::with_text(map);
    let output = place.import(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(!place.path("conf").exists());
    stderr(&output).to_owned()
}

#[test]
fn what_is_no_map() {
    let hint = "use http://localhost:5001/infra-map of a running Moose, or \
                .moose/infrastructure_map.json after `moose build`\n";
    let no_map = "not an infrastructure map of Moose: it has no \"api_endpoints\"; ";
    for (text, told) in [
        ("{}", format!("map.json: {no_map}{hint}")),
        ("[]", format!("map.json: {no_map}{hint}")),
        ("\"x\"", format!("map.json: {no_map}{hint}")),
        (
            "{\"ingestion_apis\": []}",
            format!("map.json: the output of `moose ls --json` has no types; {hint}"),
        ),
        (
            "{\"api_endpoints\": 1}",
            "map.json: /api_endpoints: an object is expected\n".to_owned(),
        ),
        (
            "{\"api_endpoints\": {}}",
            "map.json: /api_endpoints: it contains no ingest API: there is nothing to import\n"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(text), told, "{text}");
    }
    assert!(refused("{\n\"a\": }").starts_with("map.json:2: not JSON: "));
    assert!(refused("").starts_with("map.json:1: not JSON: "));
}

#[test]
fn files_that_cannot_be_read_are_named_together() {
    let place = Place::with_text("{}");
    fs::remove_file(place.path("map.json")).expect("removed");
    let output = place.import(&["--project", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let missing = "can't be read: No such file or directory (os error 2)";
    assert_eq!(
        stderr(&output),
        format!("map.json: {missing}\nnowhere.toml: {missing}\n")
    );
}

#[test]
fn every_unknown_type_is_named_and_the_other_models_are_written() {
    let columns = json!([
        column("a", &json!("BigInt")),
        column("b", &json!({"elementType": {"keyType": "String", "valueType": "Time64(3)"}})),
        column("c", &json!({"fields": [["ok", "Int8"], ["d", "Variant"]]})),
        column("e", &json!({"variants": []})),
        column("f", &json!(17)),
        column("g", &json!("DateTime(10)")),
        column("h", &json!("Decimal(77, 1)")),
        column("i", &json!("Decimal(5, 6)")),
        column("j", &json!("FixedString(0)")),
        column("k", &json!({"name": "E", "values": [{"name": "A", "value": {"Int": 32768}}]})),
        column("l", &json!({"name": "E", "values": []})),
        column("m", &json!({"keyType": "String"})),
        column("ok", &json!("String")),
        {"name": "n", "data_type": "Int8", "required": "yes"},
        {"data_type": "Int8"},
    ]);
    let mut map = map_of(&columns);
    let mut good = map
        .pointer("/api_endpoints/INGRESS_Thing_1")
        .expect("it is there")
        .clone();
    good["name"] = json!("Good");
    good["path"] = json!("ingest/Good/1");
    good["api_type"]["INGRESS"]["data_model"]["columns"] = json!([column("v", &json!("Int8"))]);
    set(&mut map, "/api_endpoints", "INGRESS_Good_1", good);
    let place = Place::new(&map);
    let output = place.import(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("1 model(s) in conf/models, "));
    assert!(
        stdout(&output).contains("\nNOT imported: "),
        "{}",
        stdout(&output)
    );
    assert!(place.path("conf/models/Good.toml").exists());
    assert!(!place.path("conf/models/Thing.toml").exists());

    let unknown = "is not a type that ringest supports";
    let beyond = "exceeds the limits of ClickHouse";
    let expected = [
        ("0/data_type", format!("\"BigInt\" {unknown}")),
        (
            "1/data_type/elementType/valueType",
            format!("\"Time64(3)\" {unknown}"),
        ),
        ("2/data_type/fields/1/1", format!("\"Variant\" {unknown}")),
        ("3/data_type", "not a type that ringest supports".to_owned()),
        (
            "4/data_type",
            "a type is expected: a string or an object".to_owned(),
        ),
        ("5/data_type", format!("\"DateTime(10)\" {beyond}")),
        ("6/data_type", format!("\"Decimal(77, 1)\" {beyond}")),
        ("7/data_type", format!("\"Decimal(5, 6)\" {beyond}")),
        ("8/data_type", format!("\"FixedString(0)\" {beyond}")),
        (
            "9/data_type/values/0/value",
            "enum values must be from -32768 to 32767".to_owned(),
        ),
        ("10/data_type", "an enum without members".to_owned()),
        ("11/data_type", "\"valueType\" is missing".to_owned()),
        ("13/required", "true or false is expected".to_owned()),
        ("14", "\"name\" is missing".to_owned()),
    ];
    let columns = format!("{INGRESS}/data_model/columns");
    let expected = expected.map(|(at, what)| format!("map.json: {columns}/{at}: {what}"));
    let errors: Vec<_> = stderr(&output).lines().collect();
    assert_eq!(errors, expected);
}

#[test]
fn an_endpoint_must_be_one_that_ringest_can_serve() {
    const ENDPOINT: &str = "/api_endpoints/INGRESS_Thing_1";
    let change = |at: &'static str, key: &'static str, value: Value| (at, key, value);
    for ((at, key, value), told) in [
        (
            change(ENDPOINT, "method", json!("PUT")),
            "/method: only POST is supported",
        ),
        (
            change(ENDPOINT, "path", json!("ingest/my thing")),
            "/path: \"/ingest/my thing\" is not a path that ringest supports",
        ),
        (
            change(ENDPOINT, "path", json!("")),
            "/path: \"/\" is not a path that ringest supports",
        ),
        (
            change(ENDPOINT, "name", json!(null)),
            ": \"name\" is missing",
        ),
        (
            change(ENDPOINT, "version", json!(1)),
            "/version: a string is expected",
        ),
        (
            change(INGRESS, "target_topic_id", json!("Nothing_1")),
            "/api_type/INGRESS/target_topic_id: there is no topic \"Nothing_1\" in the map",
        ),
        (
            change(INGRESS, "dead_letter_queue", json!(1)),
            "/api_type/INGRESS/dead_letter_queue: a string is expected",
        ),
    ] {
        let mut map = map_of(&json!([]));
        set(&mut map, at, key, value);
        assert_eq!(
            refused(&map.to_string()),
            format!("map.json: {ENDPOINT}{told}\n")
        );
    }
}

#[test]
fn two_endpoints_that_ringest_could_not_tell_apart() {
    let mut map = map_of(&json!([]));
    let other = |name: &str, version: &str, path: &str| {
        let mut other = map
            .pointer("/api_endpoints/INGRESS_Thing_1")
            .expect("it is there")
            .clone();
        other["name"] = json!(name);
        other["version"] = json!(version);
        other["path"] = json!(path);
        other
    };
    let (same, path) = (
        other("THING", "01", "ingest/x/1"),
        other("Other", "1", "INGEST/thing/1"),
    );
    set(&mut map, "/api_endpoints", "INGRESS_Thing_2", same);
    set(&mut map, "/api_endpoints", "INGRESS_Thing_3", path);
    let place = Place::new(&map);
    let output = place.import(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "map.json: /api_endpoints/INGRESS_Thing_2: THING 01 at /ingest/x/1 conflicts with \
         Thing 1 at /ingest/Thing/1\n\
         map.json: /api_endpoints/INGRESS_Thing_3: Other 1 at /INGEST/thing/1 conflicts with \
         Thing 1 at /ingest/Thing/1\n"
    );
    assert_eq!(place.routes().len(), 1);
}

#[test]
fn a_column_comes_once() {
    let twice = json!([column("a", &json!("Int8")), column("a", &json!("Int8"))]);
    assert_eq!(
        refused(&map_of(&twice).to_string()),
        format!("map.json: {INGRESS}/data_model/columns/1: there are two columns \"a\"\n")
    );
}

/// Whatever else ringest refuses in a model: it must not keep the others from being served.
#[test]
fn a_model_that_would_not_load_is_skipped() {
    let twice = json!({"name": "E", "values": [
        {"name": "A", "value": {"String": "x"}},
        {"name": "B", "value": {"String": "x"}},
    ]});
    for (name, data_type, told) in [
        ("", json!("Int8"), "fields.: an empty name"),
        ("v", twice, "fields.v: "),
        (
            "v",
            json!({"typed_paths": [["a..b", "Int8"]]}),
            "fields.v: ",
        ),
        (
            "v",
            json!({"keyType": "Json", "valueType": "Int8"}),
            "fields.v: ",
        ),
    ] {
        let said = refused(&map_of(&json!([column(name, &data_type)])).to_string());
        let place = "map.json: /api_endpoints/INGRESS_Thing_1: ringest rejects its ";
        assert!(said.starts_with(&format!("{place}{told}")), "{said}");
    }
}

#[test]
fn files_that_are_there_are_kept_unless_replaced_by_force() {
    let place = Place::new(&map_of(&json!([column("a", &json!("Int8"))])));
    place.imported(&[]);
    // The same again changes nothing and is no error.
    place.imported(&[]);
    place.write("conf/models/Thing.toml", "# mine\n");
    place.write("conf/ringest.toml", "# mine too\n");
    place.write("conf/models/Another.toml", "# not of Moose\n");
    let output = place.import(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        stderr(&output),
        "conf/ringest.toml: already exists with other contents: --force replaces it\n\
         conf/models/Thing.toml: already exists with other contents: --force replaces it\n"
    );
    assert_eq!(place.read("conf/models/Thing.toml"), "# mine\n");
    place.imported(&["--force"]);
    assert!(place.read("conf/models/Thing.toml").starts_with("name = "));
    assert!(place.read("conf/ringest.toml").contains("[kafka]"));
    assert_eq!(place.read("conf/models/Another.toml"), "# not of Moose\n");
}

#[test]
fn usage() {
    let place = Place::with_text("{}");
    for arguments in [
        &["import-moose"][..],
        &["import-moose", "map.json"],
        &["import-moose", "--out", "conf"],
        &["--check", "import-moose", "map.json", "--out", "conf"],
        &["import-moose", "map.json", "--out", "conf", "--check"],
        &["help"],
    ] {
        let output = place.ringest(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!place.path("conf").exists());
    }
    let help = place.ringest(&["import-moose", "--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    for part in ["--out", "--project", "--force", "/infra-map"] {
        assert!(stdout(&help).contains(part), "{part}");
    }
}
