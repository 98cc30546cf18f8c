//! Names, versions, paths, topics: what a model file says besides its fields.

use serde_json::{Value, json};

use super::{INGRESS, Place, column, map_of, set};

const ENDPOINT: &str = "/api_endpoints/INGRESS_Thing_1";
const TOPIC: &str = "/topics/Thing_1";

fn thing() -> Value {
    map_of(&json!([column("id", &json!("UUID"))]))
}

/// The model file of the only endpoint.
fn file(map: &Value) -> String {
    let place = Place::new(map);
    place.imported(&[]);
    let name = std::fs::read_dir(place.path("conf/models"))
        .expect("a directory")
        .map(|it| it.expect("a file").file_name().into_string().expect("text"))
        .collect::<Vec<_>>();
    assert_eq!(name.len(), 1, "{name:?}");
    place.read(&format!("conf/models/{}", name[0]))
}

#[test]
fn the_least() {
    assert_eq!(
        file(&thing()),
        "\
name = \"Thing\"
version = \"1\"
topic = \"Thing_1\"
unknown_fields = \"forward\"
on_invalid = \"reject_all\"

[fields]
id = \"UUID\"
"
    );
}

#[test]
fn everything_that_a_model_can_say() {
    let mut map = thing();
    let metadata = json!({"description": "Things, as they happen.\nSecond line."});
    set(&mut map, ENDPOINT, "metadata", metadata);
    set(&mut map, ENDPOINT, "path", json!("ingest/events/things/1"));
    set(&mut map, INGRESS, "dead_letter_queue", json!("Lost"));
    set(
        &mut map,
        &format!("{INGRESS}/data_model"),
        "allow_extra_fields",
        json!(true),
    );
    for (key, value) in [
        ("partition_count", json!(6)),
        ("retention_period", json!({"secs": 60, "nanos": 0})),
        ("max_message_bytes", json!(2_097_152)),
        ("life_cycle", json!("EXTERNALLY_MANAGED")),
    ] {
        set(&mut map, TOPIC, key, value);
    }
    let lost = json!({"name": "Lost", "version": "1", "columns": []});
    set(&mut map, "/topics", "Lost_1", lost);
    set(
        &mut map,
        "",
        "function_processes",
        json!({
            "a": {"name": "enrich", "source_topic_id": "Thing_1"},
            "b": {"name": "other", "source_topic_id": "Other_1"},
        }),
    );
    set(
        &mut map,
        "",
        "topic_to_table_sync_processes",
        json!({"a": {"source_topic_id": "Thing_1", "target_table_id": "local_Thing_1"}}),
    );
    assert_eq!(
        file(&map),
        "\
# Things, as they happen.
# Second line.
# Moose creates the topic Lost_1 for dead letters, but writes them to Lost
# Moose forwards unknown fields of this model and drops those of others; ringest forwards every \
         record as it came
# streaming functions of Moose read the topic: enrich
# Moose writes the topic to tables: local_Thing_1
# the topic as created by Moose (ringest creates none): 6 partitions, records kept for 60 s, \
    records \
         of at most 2097152 bytes, life cycle EXTERNALLY_MANAGED
name = \"Thing\"
version = \"1\"
path = \"/ingest/events/things/1\"
topic = \"Thing_1\"
dead_letter_topic = \"Lost\"
unknown_fields = \"forward\"
on_invalid = \"reject_all\"

[fields]
id = \"UUID\"
"
    );
}

#[test]
fn a_topic_is_called_what_moose_calls_it() {
    for (version, primitive, project, topic) in [
        (json!("1.10"), "DataModel", "", "Thing_1_10"),
        (json!(null), "DataModel", "", "Thing"),
        // A migration function's topic has its version in its name already.
        (json!("1"), "Function", "", "Thing"),
        (
            json!("1"),
            "DataModel",
            "[redpanda_config]\nnamespace = \"team\"\n",
            "team.Thing_1",
        ),
        (
            json!(null),
            "DataModel",
            "[kafka_config]\nnamespace = \"a-b\"\n",
            "a-b.Thing",
        ),
    ] {
        let mut map = thing();
        set(&mut map, TOPIC, "version", version);
        let source = json!({"name": "Thing", "primitive_type": primitive});
        set(&mut map, TOPIC, "source_primitive", source);
        let place = Place::new(&map);
        place.write("moose.config.toml", project);
        place.imported(&["--project", "moose.config.toml"]);
        let file = place.read("conf/models/Thing.toml");
        assert!(file.contains(&format!("\ntopic = {topic:?}\n")), "{file}");
    }
}

#[test]
fn dead_letters_go_where_moose_writes_them() {
    let mut map = thing();
    set(&mut map, INGRESS, "dead_letter_queue", json!("Lost"));
    let lost = json!({"name": "Lost", "version": null, "columns": []});
    set(&mut map, "/topics", "Lost", lost);
    assert!(file(&map).starts_with("name = "));
    let place = Place::new(&map);
    place.write(
        "moose.config.toml",
        "[redpanda_config]\nnamespace = \"team\"\n",
    );
    place.imported(&["--project", "moose.config.toml"]);
    let file = place.read("conf/models/Thing.toml");
    let remark = "# Moose creates the topic team.Lost for dead letters, but writes them to Lost\n";
    assert!(file.starts_with(remark), "{file}");
    assert!(file.contains("\ndead_letter_topic = \"Lost\"\n"), "{file}");
}

#[test]
fn schemas_of_a_registry() {
    for (reference, written) in [
        (json!({"id": 7}), "{ id = 7 }"),
        (
            json!({"subject_latest": "a \"b\""}),
            "{ subject = \"a \\\"b\\\"\" }",
        ),
        (json!({"subjectLatest": "s"}), "{ subject = \"s\" }"),
        (
            json!({"subject": "s", "version": 3}),
            "{ subject = \"s\", version = 3 }",
        ),
    ] {
        let mut map = thing();
        let config = json!({"kind": "JSON", "reference": reference});
        set(&mut map, TOPIC, "schema_config", config);
        let file = file(&map);
        assert!(file.contains(&format!("\nschema = {written}\n")), "{file}");
    }
    let mut map = thing();
    let config = json!({"kind": "AVRO", "reference": {"id": 1}});
    set(&mut map, TOPIC, "schema_config", config);
    let file = file(&map);
    assert!(
        file.starts_with("# the topic's schema is AVRO, which "),
        "{file}"
    );
    assert!(!file.contains("\nschema"), "{file}");
}

#[test]
fn an_endpoint_without_version_keeps_its_path() {
    let mut map = thing();
    set(&mut map, ENDPOINT, "version", json!(null));
    set(&mut map, ENDPOINT, "path", json!("ingest/Thing"));
    let place = Place::new(&map);
    place.imported(&[]);
    let file = place.read("conf/models/Thing.toml");
    assert!(
        file.starts_with(
            "# without a version in Moose\nname = \"Thing\"\nversion = \"0.0\"\n\
             path = \"/ingest/Thing\"\n"
        ),
        "{file}"
    );
    let routes = place.routes();
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0]["path"], "/ingest/Thing");
    assert_eq!(routes[0]["latest"], false);
}

#[test]
fn an_endpoint_that_moose_never_reaches_is_left_out_and_said() {
    let mut map = thing();
    let mut bare = map.pointer(ENDPOINT).expect("an endpoint").clone();
    bare["version"] = json!(null);
    bare["path"] = json!("ingest/Thing");
    set(&mut map, "/api_endpoints", "INGRESS_Thing", bare);
    let place = Place::new(&map);
    let report = place.imported(&[]);
    let said = "left out:\n- Thing without version: in Moose /ingest/Thing resolves to the \
        highest version, never to this one\n";
    assert!(report.contains(said), "{report}");
    assert_eq!(place.routes().len(), 1);
}

#[test]
fn versions_of_a_model_have_a_file_each() {
    let mut map = thing();
    let mut second = map.pointer(ENDPOINT).expect("an endpoint").clone();
    second["version"] = json!("1.10");
    second["path"] = json!("ingest/Thing/1.10");
    set(&mut map, "/api_endpoints", "INGRESS_Thing_1_10", second);
    let place = Place::new(&map);
    place.imported(&[]);
    assert!(place.read("conf/models/Thing.1.toml").contains("\"1\""));
    assert!(
        place
            .read("conf/models/Thing.1.10.toml")
            .contains("\"1.10\"")
    );
    let latest: Vec<_> = place
        .routes()
        .iter()
        .map(|it| it["latest"].clone())
        .collect();
    assert_eq!(latest, [json!(true), json!(false)]);
}

#[test]
fn odd_names_and_versions_keep_their_paths() {
    for (name, version, path, head) in [
        (
            "2fa.events",
            "1",
            "ingest/2fa.events/1",
            "# called \"2fa.events\" in Moose\n\
             # Moose also accepts its highest version at /ingest/2fa.events; ringest does not\nname = \"m2fa_events\"\nversion = \"1\"\n\
             path = \"/ingest/2fa.events/1\"\n",
        ),
        (
            "_x",
            "1.0-rc1",
            "ingest/_x/1.0-rc1",
            "# called \"_x\" in Moose\n# version \"1.0-rc1\" in Moose, which compares it as this one\n\
             # Moose also accepts its highest version at /ingest/_x; ringest does not\n\
             name = \"m_x\"\nversion = \"1.0\"\npath = \"/ingest/_x/1.0-rc1\"\n",
        ),
        (
            "Thing",
            "2",
            "ingest/clicks/2",
            "# Moose also accepts its highest version at /ingest/clicks; ringest does not\n\
             name = \"Thing\"\nversion = \"2\"\npath = \"/ingest/clicks/2\"\n",
        ),
        // Case makes no difference to either.
        (
            "Thing",
            "2",
            "ingest/thing/2",
            "name = \"Thing\"\nversion = \"2\"\ntopic",
        ),
    ] {
        let mut map = thing();
        for (key, value) in [("name", name), ("version", version), ("path", path)] {
            set(&mut map, ENDPOINT, key, json!(value));
        }
        let file = file(&map);
        assert!(file.starts_with(head), "{file}");
        let place = Place::new(&map);
        place.imported(&[]);
        let listed = place.routes()[0]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        assert!(listed.eq_ignore_ascii_case(&format!("/{path}")), "{listed}");
    }
}

#[test]
fn an_older_map_has_the_columns_with_the_topic() {
    let mut map = thing();
    set(&mut map, INGRESS, "data_model", json!(null));
    set(
        &mut map,
        TOPIC,
        "columns",
        json!([column("a", &json!("Int"))]),
    );
    assert!(file(&map).ends_with("[fields]\na = \"Int64\"\n"));
}

#[test]
fn newer_keys_and_other_envelopes_do_not_matter() {
    let plain = file(&thing());
    let mut map = thing();
    for (at, key) in [
        ("", "brand_new"),
        (ENDPOINT, "brand_new"),
        (INGRESS, "schema"),
        (TOPIC, "brand_new"),
    ] {
        set(&mut map, at, key, json!({"$defs": [1, {"a": null}]}));
    }
    set(
        &mut map,
        &format!("{INGRESS}/data_model/columns/0"),
        "new",
        json!([]),
    );
    assert_eq!(file(&map), plain);
    // The answer of /admin/inframap.
    assert_eq!(file(&json!({"status": "success", "infra_map": map})), plain);
}

#[test]
fn what_stays_behind_is_reported() {
    let mut map = thing();
    for name in ["EGRESS_new", "EGRESS_old"] {
        let kind = if name == "EGRESS_old" {
            json!("EGRESS")
        } else {
            json!({"EGRESS": {"query_params": []}})
        };
        let endpoint = json!({"name": name, "api_type": kind, "path": "x", "method": "GET"});
        set(&mut map, "/api_endpoints", name, endpoint);
    }
    let many: Value = (0..6).map(|it| (format!("t{it}"), json!({}))).collect();
    set(&mut map, "", "tables", many);
    set(&mut map, "", "workflows", json!({"nightly": {}}));
    set(&mut map, "", "views", json!({}));
    let report = Place::new(&map).imported(&[]);
    assert!(
        report.contains(
            "not supported by ringest:\n\
             - tables (6): t0, t1, t2, t3, t4, …\n\
             - workflows (1): nightly\n\
             - consumption APIs (2): EGRESS_new, EGRESS_old\n\
             - creating the map's 1 topics: their partitions, retention and life cycle\n"
        ),
        "{report}"
    );
}
