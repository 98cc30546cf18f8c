//! What goes with a record, and where: its own path, dead letters, headers, the schema's number.

use ringest::model::{HeaderValue, KafkaHeader, OnInvalid, Schema};

use super::{LEAST, MODEL, Place, errors, model};

#[test]
fn what_becomes_of_faulty_records() {
    let default = model("");
    assert_eq!(default.rules.on_invalid, OnInvalid::RejectAll);
    assert_eq!(default.dead_letter_topic, None);
    let other = model("on_invalid = \"accept_valid\"\ndead_letter_topic = \"dead\"\n");
    assert_eq!(other.rules.on_invalid, OnInvalid::AcceptValid);
    assert_eq!(other.dead_letter_topic.as_deref(), Some("dead"));
    let same = "is not allowed: a topic other than that of the records";
    assert_eq!(
        errors("dead_letter_topic = \"Event_1_0\"\n"),
        [format!("3: dead_letter_topic: \"Event_1_0\" {same}")]
    );
    assert_eq!(
        errors("topic = \"t\"\ndead_letter_topic = \"t\"\n"),
        [format!("4: dead_letter_topic: \"t\" {same}")]
    );
}

#[test]
fn a_path_of_its_own() {
    assert_eq!(model("").path, None);
    let longest = format!("/{}", "a".repeat(255));
    for path in [
        "/a",
        "/events/clicks",
        "/A-z_0.~/9",
        "/health/x",
        "/...",
        "/ingest/x",
        &longest,
    ] {
        let model = model(&format!("path = \"{path}\"\n"));
        assert_eq!(model.path.as_deref(), Some(path));
    }
    let longer = format!("{longest}a");
    for bad in [
        "", "/", "a", "/a/", "//a", "/a//b", "/a b", "/a%20b", "/é", "/a?b", "/.", "/a/../b",
        "/a:b", "/health", "/HEALTH", &longer,
    ] {
        assert_eq!(
            errors(&format!("path = \"{bad}\"\n")),
            [format!(
                "3: path: \"{bad}\" is not allowed: a path such as \"/events/clicks\", of letters, digits, \"-\", \".\", \"_\" and \"~\" between slashes, at most 256 bytes, and not \"/health\""
            )]
        );
    }
}

#[test]
fn a_path_leads_to_one_model() {
    let place = Place::new(LEAST);
    let model = |name: &str, path: &str| {
        let text = format!("name = \"{name}\"\nversion = \"1.0\"\npath = \"{path}\"\n");
        place.model(name, &text);
    };
    model("a", "/clicks");
    model("b", "/Clicks");
    model("c", "/ingest/event/1.0");
    model("d", "/ingest/EVENT");
    model("e", "/ingest/a/1.0");
    assert_eq!(
        place.errors(&[]),
        [
            "models/b.toml:3: path: \"/Clicks\" is already the path of a 1.0 of models/a.toml",
            "models/c.toml:3: path: \"/ingest/event/1.0\" is already the path of Event 1.0 of models/event.toml",
            "models/d.toml:3: path: \"/ingest/EVENT\" is already the path of Event 1.0 of models/event.toml",
        ]
    );
}

#[test]
fn kafka_headers_are_in_the_order_of_the_file() {
    assert_eq!(model("").kafka_headers, []);
    let constant = "c".repeat(1024);
    let name = "n".repeat(255);
    let text = format!(
        "[kafka_headers]\nz = \"edge-1\"\na = {{ header = \"TraceParent\" }}\n{name} = {{ principal \
         = true }}\n\"\u{e9} b\" = \"{constant}\"\nempty = \"\"\nip = {{ client = \
         \"address\" }}\nid = {{ request = \"id\" }}\n"
    );
    let header = |name: &str, value| KafkaHeader {
        name: name.to_owned(),
        value,
    };
    assert_eq!(
        model(&text).kafka_headers,
        [
            header("z", HeaderValue::Constant("edge-1".to_owned())),
            header("a", HeaderValue::Request("traceparent".to_owned())),
            header(&name, HeaderValue::Principal),
            header("\u{e9} b", HeaderValue::Constant(constant)),
            header("empty", HeaderValue::Constant(String::new())),
            header("ip", HeaderValue::ClientAddress),
            header("id", HeaderValue::RequestId),
        ]
    );
}

fn many_headers(count: usize) -> String {
    let headers = (0..count).map(|index| format!("h{index} = \"\"\n"));
    format!("[kafka_headers]\n{}", headers.collect::<String>())
}

#[test]
fn everything_wrong_with_kafka_headers() {
    const HEADER: &str = "a string, { header = \"…\" } for a request header, { principal = true } \
        for the authenticated principal, { client = \"address\" } for the client's IP address, or \
        { request = \"id\" } for the request's identifier";
    const CREDENTIAL: &str = "credentials must not be written to a topic";
    assert_eq!(model(&many_headers(16)).kafka_headers.len(), 16);
    assert_eq!(
        errors(&many_headers(17)),
        ["3: kafka_headers: too many headers (17): at most 16"]
    );
    assert_eq!(
        errors("kafka_headers = 3\n"),
        ["3: kafka_headers: not allowed: this is a section, [kafka_headers]"]
    );
    let (name, constant) = ("n".repeat(256), "c".repeat(1025));
    let text = format!(
        "[kafka_headers]\na = {{ header = \"Cookie\" }}\nb = {{ header = \"AUTHORIZATION\" }}\nc = {{ \
         header = \"proxy-authorization\" }}\nd = {{ header = \"a b\" }}\ne = {{ header = \"{name}\" \
         }}\nf = {{ principal = false }}\ng = {{ header = \"x\", principal = true }}\nh = 3\ni = {{ \
         heder = \"x\" }}\n\"\" = \"x\"\n{name} = \"x\"\nj = \"{constant}\"\nk = {{ header = 3 }}\nl = {{ \
         client = \"port\" }}\nm = {{ client = \"address\", principal = true }}\n"
    );
    let token = "the name of an HTTP header, of at most 255 bytes";
    assert_eq!(
        errors(&text),
        [
            format!("4: kafka_headers.a.header: \"Cookie\" is not allowed: {CREDENTIAL}"),
            format!("5: kafka_headers.b.header: \"AUTHORIZATION\" is not allowed: {CREDENTIAL}"),
            format!(
                "6: kafka_headers.c.header: \"proxy-authorization\" is not allowed: {CREDENTIAL}"
            ),
            format!("7: kafka_headers.d.header: \"a b\" is not allowed: {token}"),
            format!("8: kafka_headers.e.header: \"{name}\" is not allowed: {token}"),
            format!("9: kafka_headers.f: {{ principal = false }} is not allowed: {HEADER}"),
            format!(
                "10: kafka_headers.g: {{ header = \"x\", principal = true }} is not allowed: {HEADER}"
            ),
            format!("11: kafka_headers.h: 3 is not allowed: {HEADER}"),
            "12: kafka_headers.i.heder: unknown key; did you mean \"header\"?".to_owned(),
            format!("12: kafka_headers.i: {{ heder = \"x\" }} is not allowed: {HEADER}"),
            "13: kafka_headers.: the name has 0 bytes: from 1 to 255".to_owned(),
            format!("14: kafka_headers.{name}: the name has 256 bytes: from 1 to 255"),
            "15: kafka_headers.j: the value has 1025 bytes: at most 1024".to_owned(),
            format!("16: kafka_headers.k.header: 3 is not allowed: {token}"),
            format!("17: kafka_headers.l: {{ client = \"port\" }} is not allowed: {HEADER}"),
            format!(
                "18: kafka_headers.m: {{ client = \"address\", principal = true }} is not allowed: \
                 {HEADER}"
            ),
        ]
    );
}

#[test]
fn the_schema_of_a_registry() {
    let subject = |version| Schema::Subject {
        subject: "orders-value".to_owned(),
        version,
    };
    for (text, expected) in [
        ("schema_id = 1", Schema::Id(1)),
        ("schema_id = 2_147_483_647", Schema::Id(2_147_483_647)),
        ("schema = { id = 7 }", Schema::Id(7)),
        ("schema = { subject = \"orders-value\" }", subject(None)),
        (
            "schema = { subject = \"orders-value\", version = \"latest\" }",
            subject(None),
        ),
        (
            "[schema]\nversion = 3\nsubject = \"orders-value\"",
            subject(Some(3)),
        ),
    ] {
        let place = Place::new(&format!(
            "{LEAST}[schema_registry]\nurl = \"http://localhost:8081\"\n"
        ));
        place.model("event", &format!("{MODEL}{text}\n"));
        let config = place.load(&[]).expect("good");
        assert_eq!(config.models[0].schema, Some(expected), "{text}");
    }
    assert_eq!(model("").schema, None);
}

#[test]
fn everything_wrong_with_a_schema() {
    let allowed = "is not allowed: { id = 7 } or { subject = \"orders-value\", version = 3 }";
    let number = "is not allowed: a whole number from 1 to 2_147_483_647";
    let subject = "is not allowed: the name of a subject, of 1 to 255 bytes";
    for (text, expected) in [
        ("schema_id = 0", format!("3: schema_id: 0 {number}")),
        (
            "schema_id = 2147483648",
            format!("3: schema_id: 2147483648 {number}"),
        ),
        ("schema_id = \"7\"", format!("3: schema_id: \"7\" {number}")),
        (
            "schema_id = 7\nschema = { id = 7 }",
            "3: schema_id: not allowed together with schema, which also sets it".to_owned(),
        ),
        ("schema = 7", format!("3: schema: 7 {allowed}")),
        ("schema = {}", format!("3: schema: {{}} {allowed}")),
        (
            "schema = { version = 3 }",
            format!("3: schema: {{ version = 3 }} {allowed}"),
        ),
        (
            "schema = { id = 7, version = 3 }",
            format!("3: schema: {{ id = 7, version = 3 }} {allowed}"),
        ),
        (
            "schema = { id = 7, subject = \"a\" }",
            format!("3: schema: {{ id = 7, subject = \"a\" }} {allowed}"),
        ),
        ("schema = { id = -1 }", format!("3: schema.id: -1 {number}")),
        (
            "schema = { id = 7, subjet = \"a\" }",
            "3: schema.subjet: unknown key; did you mean \"subject\"?".to_owned(),
        ),
        (
            "schema = { subject = \"\" }",
            format!("3: schema.subject: \"\" {subject}"),
        ),
        (
            "schema = { subject = \"a\\nb\" }",
            format!("3: schema.subject: \"a\\nb\" {subject}"),
        ),
        (
            "schema = { subject = \"a\", version = \"newest\" }",
            "3: schema.version: \"newest\" is not allowed: a number, or \"latest\" (the default)"
                .to_owned(),
        ),
        (
            "schema = { subject = \"a\", version = 0 }",
            format!("3: schema.version: 0 {number}"),
        ),
    ] {
        assert_eq!(errors(&format!("{text}\n")), [expected], "{text}");
    }
}
