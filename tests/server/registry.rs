//! Schemas' numbers, asked of a server of the test's own.

mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{
    server::{Server, refusing_address},
    wait::{PATIENCE, await_that},
};
use ringest::{
    model::{Model, Schema},
    registry::{Credentials, LookupError, RegistryError, SchemaRegistry, resolve},
};

fn registry(url: &str) -> SchemaRegistry {
    SchemaRegistry {
        url: url.to_owned(),
        credentials: None,
        timeout: PATIENCE,
    }
}

fn subject(subject: &str, version: Option<u32>) -> Schema {
    Schema::Subject {
        subject: subject.to_owned(),
        version,
    }
}

fn model(name: &str, schema: impl Into<Option<Schema>>) -> Arc<Model> {
    let version = "1.0".parse().expect("a version");
    Arc::new(Model {
        schema: schema.into(),
        ..Model::untyped(name, version, "topic")
    })
}

/// A model that asks for the latest version of a subject.
fn latest(name: &str) -> Arc<Model> {
    model("Order", subject(name, None))
}

fn ids(models: &[Arc<Model>]) -> Vec<Option<u32>> {
    let id = |model: &Arc<Model>| match model.schema {
        None => None,
        Some(Schema::Id(id)) => Some(id),
        Some(Schema::Subject { .. }) => panic!("{} has no number", model.name),
    };
    models.iter().map(id).collect()
}

/// The one reason why the one subject could not be resolved.
fn reason(registry: &SchemaRegistry) -> LookupError {
    let unresolved = resolve(Some(registry), &[latest("orders-value")]);
    only(&unresolved.expect_err("something is wrong"))
}

fn only(unresolved: &RegistryError) -> LookupError {
    let reasons: Vec<_> = unresolved.iter().map(|it| it.reason.clone()).collect();
    let [reason] = &*reasons else {
        panic!("{unresolved}");
    };
    reason.clone()
}

#[test]
fn subjects_become_numbers_and_each_is_asked_for_once() {
    let server = Server::start(|request| match &*request.path {
        "/api/subjects/orders-value/versions/latest" => (
            200,
            r#"{"subject":"orders-value","version":3,"id":7,"schema":"{}"}"#.to_owned(),
        ),
        "/api/subjects/orders-value/versions/1" => (200, r#"{"id":2147483647}"#.to_owned()),
        "/api/subjects/%3A.eu%3Aa%2Fb%20c%C3%BC/versions/latest" => (200, r#"{"id":0}"#.to_owned()),
        other => panic!("{other}"),
    });
    let models = [
        latest("orders-value"),
        model("Untyped", None),
        model("Known", Schema::Id(4)),
        model("First", subject("orders-value", Some(1))),
        model("Refund", subject("orders-value", None)),
        model("Odd", subject(":.eu:a/b cü", None)),
    ];
    let registry = registry(&format!("{}/api", server.url));
    let resolved = resolve(Some(&registry), &models).expect("it knows all");
    assert_eq!(
        ids(&resolved),
        [
            Some(7),
            None,
            Some(4),
            Some(2_147_483_647),
            Some(7),
            Some(0)
        ]
    );
    for (before, after) in models.iter().zip(&resolved) {
        assert_eq!((&before.name, &before.topic), (&after.name, &after.topic));
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(
            request.field("accept"),
            Some("application/vnd.schemaregistry.v1+json")
        );
        assert_eq!(request.field("authorization"), None);
    }
}

#[test]
fn nobody_is_asked_where_no_model_names_a_subject() {
    let models = [model("Untyped", None), model("Known", Schema::Id(4))];
    let nobody = registry(&format!("http://{}", refusing_address().0));
    for registry in [None, Some(&nobody)] {
        let resolved = resolve(registry, &models).expect("nothing to ask");
        assert_eq!(ids(&resolved), [None, Some(4)]);
    }
}

#[test]
fn a_subject_without_a_registry_is_an_error() {
    let unresolved = resolve(None, &[latest("orders-value")]).expect_err("nobody to ask");
    assert_eq!(only(&unresolved), LookupError::NoRegistry);
}

#[test]
fn every_failure_is_reported_at_once() {
    let server = Server::start(|request| {
        let subject = request.path.split('/').nth(2).expect("a subject");
        let (status, body) = match subject {
            "good" => (200, r#"{"id":7}"#),
            "unknown" => (
                404,
                r#"{"error_code":40401,"message":"Subject 'unknown' not found."}"#,
            ),
            "version" => (
                404,
                r#"{"error_code":40402,"message":"Version 9 not found."}"#,
            ),
            "broken" => (
                500,
                r#"{"error_code":50001,"message":"the \u001b[31mstore\nfails"}"#,
            ),
            "elsewhere" => (404, "<html>"),
            "forbidden" => (403, r#"{"error_code":40301,"message":"no"}"#),
            "garbage" => (200, "<html>ok</html>"),
            "nothing" => (200, ""),
            "numberless" => (200, r#"{"subject":"x"}"#),
            "text" => (200, r#"{"id":"7"}"#),
            "negative" => (200, r#"{"id":-1}"#),
            "greatest" => (200, r#"{"id":4294967295}"#),
            "greater" => (200, r#"{"id":4294967296}"#),
            other => panic!("{other}"),
        };
        (status, body.to_owned())
    });
    let models = [
        model("A", subject("good", None)),
        model("B", subject("unknown", None)),
        model("C", subject("version", Some(9))),
        model("D", subject("broken", None)),
        model("E", subject("elsewhere", None)),
        model("F", subject("forbidden", None)),
        model("G", subject("garbage", None)),
        model("H", subject("nothing", None)),
        model("I", subject("numberless", None)),
        model("J", subject("text", None)),
        model("K", subject("negative", None)),
        model("L", subject("greatest", None)),
        model("M", subject("greater", None)),
        model("N", subject("unknown", None)),
    ];
    let unresolved = resolve(Some(&registry(&server.url)), &models).expect_err("most fail");
    let text = unresolved.to_string().replace(&server.url, "URL");
    let of = |models: &str, subject: &str, rest: &str| {
        format!("model {models}: subject {subject:?}, {rest}")
    };
    let latest = |error: &str| format!("latest version, schema registry URL: {error}");
    let no_id = |body: &str| latest(&format!("the response contains no schema ID: {body}"));
    let expected = [
        of(
            "B 1.0, N 1.0",
            "unknown",
            &latest("subject not found (40401)"),
        ),
        of(
            "C 1.0",
            "version",
            "version 9, schema registry URL: version not found (40402)",
        ),
        of(
            "D 1.0",
            "broken",
            &latest(r"response 500: the \u{1b}[31mstore\nfails"),
        ),
        of("E 1.0", "elsewhere", &latest("response 404: <html>")),
        of(
            "F 1.0",
            "forbidden",
            &latest(
                "access denied (403): check schema_registry.username and schema_registry.password, \
                 and their read permission for the subject",
            ),
        ),
        of("G 1.0", "garbage", &no_id("<html>ok</html>")),
        of("H 1.0", "nothing", &no_id("empty response")),
        of("I 1.0", "numberless", &no_id(r#"{"subject":"x"}"#)),
        of("J 1.0", "text", &no_id(r#"{"id":"7"}"#)),
        of("K 1.0", "negative", &no_id(r#"{"id":-1}"#)),
        of("M 1.0", "greater", &no_id(r#"{"id":4294967296}"#)),
    ];
    for (line, expected) in text.lines().zip(&expected) {
        assert_eq!(line, expected);
    }
    assert_eq!(text.lines().count(), expected.len(), "{text}");
}

#[test]
fn credentials_are_sent_and_never_shown() {
    // base64("ann:p:ß s3cret")
    const EXPECTED: &str = "Basic YW5uOnA6w58gczNjcmV0";
    let server = Server::start(|request| match request.field("authorization") {
        Some(EXPECTED) => (200, r#"{"id":7}"#.to_owned()),
        _ => (
            401,
            r#"{"error_code":40101,"message":"Unauthorized"}"#.to_owned(),
        ),
    });
    let anonymous = registry(&server.url);
    assert_eq!(reason(&anonymous), LookupError::Unauthorized(401));
    let ann = |password: &str| SchemaRegistry {
        credentials: Some(Credentials {
            username: "ann".to_owned(),
            password: password.to_owned(),
        }),
        ..anonymous.clone()
    };
    let right = ann("p:ß s3cret");
    let resolved = resolve(Some(&right), &[latest("orders-value")]).expect("it knows her");
    assert_eq!(ids(&resolved), [Some(7)]);
    let wrong = ann("wr0ng");
    let unresolved = resolve(Some(&wrong), &[latest("orders-value")]).expect_err("not hers");
    assert_eq!(only(&unresolved), LookupError::Unauthorized(401));
    for text in [
        format!("{wrong:?}"),
        format!("{unresolved:?}"),
        unresolved.to_string(),
    ] {
        assert!(!text.contains("wr0ng") && !text.contains("ann"), "{text}");
    }
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let elsewhere = Server::start(|_| (200, r#"{"id":7}"#.to_owned()));
    let target = elsewhere.url.clone();
    let server = Server::start(move |_| (302, format!("{target}/subjects/x/versions/latest")));
    let mut registry = registry(&server.url);
    registry.credentials = Some(Credentials {
        username: "ann".to_owned(),
        password: "s3cret".to_owned(),
    });
    assert!(matches!(reason(&registry), LookupError::Status(302, _)));
    assert_eq!(
        (server.requests().len(), elsewhere.requests().len()),
        (1, 0)
    );
}

#[test]
fn a_registry_that_does_not_answer_in_time_is_asked_once() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    for server in [Server::silent(), Server::dripping()] {
        let mut registry = registry(&server.url);
        registry.timeout = TIMEOUT;
        let models = [latest("a"), latest("b"), latest("c")];
        let start = Instant::now();
        let unresolved = resolve(Some(&registry), &models).expect_err("no answer");
        assert!(start.elapsed() >= TIMEOUT);
        let reasons: Vec<_> = unresolved.iter().map(|it| it.reason.clone()).collect();
        assert_eq!(reasons, [const { LookupError::TimedOut(TIMEOUT) }; 3]);
        // On a busy machine it may not have read the request by then.
        await_that("it is not asked", || !server.requests().is_empty());
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_registry_that_is_not_there_is_said_to_be_so() {
    let (address, _bound) = refusing_address();
    let LookupError::Unreachable(text) = reason(&registry(&format!("http://{address}"))) else {
        panic!("nobody is there");
    };
    assert!(text.contains("Connection refused"), "{text}");
}

#[test]
fn an_answer_is_read_up_to_a_bound() {
    const ANSWER_BYTES_MAX: usize = 8 << 20;
    for (bytes, is_read) in [(ANSWER_BYTES_MAX, true), (ANSWER_BYTES_MAX + 1, false)] {
        let answer = format!("{{\"id\":7}}{}", " ".repeat(bytes - 8));
        assert_eq!(answer.len(), bytes);
        let server = Server::start(move |_| (200, answer.clone()));
        let resolved = resolve(Some(&registry(&server.url)), &[latest("large")]);
        match resolved {
            Ok(models) => assert_eq!((ids(&models), is_read), (vec![Some(7)], true)),
            Err(unresolved) => {
                assert!(matches!(only(&unresolved), LookupError::Unreachable(_)));
                assert!(!is_read, "{unresolved}");
            }
        }
    }
}
