//! Requests without a valid credential reveal nothing about routes, cost no memory for a body, and cause
//! no outgoing request.

use std::{io, net::TcpListener};

use super::{
    AUDIT, EVENT, ORDER, Rig, ask,
    case::{bearer, post},
    descriptions::described,
    empty,
    issuers::{self, ApiKey, ED, ES, HS, PB, RS, SHA, SHA_EXPIRED},
    keys::Signer,
    table::same,
    token::now,
};
use crate::support::http::Answer;

const METHODS: [&str; 9] = [
    "POST", "GET", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "get", "HEAD",
];

/// Paths below `/ingest/`, and other spellings of them; routes and unknown paths.
const PATHS: [&str; 14] = [
    EVENT,
    ORDER,
    AUDIT,
    "/ingest/Event",
    "/ingest/event/1.0/",
    "/%69ngest/Event/1.0",
    "/INGEST/EVENT/1.0",
    "/ingest/Nothing/1.0",
    "/ingest/Nothing",
    "/ingest/Event/9.9",
    "/ingest/Event/1.0/x",
    "/ingest/",
    "/ingest/../Event",
    "/ingest/%00",
];

/// Header lines of invalid credentials; the first ones have no credential at all.
pub(crate) fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let expired = (now() - 100).to_string();
    let tokens = [
        ("no token", "x.y.z".to_owned()),
        ("expired", RS.jwt().claim("exp", &expired).token()),
        (
            "forged",
            HS.jwt().signed_by(Signer::hs256(b"guessed")).token(),
        ),
        ("for others", ED.jwt().claim("aud", r#""other""#).token()),
        (
            "unknown issuer",
            ED.jwt().claim("iss", r#""https://x.test""#).token(),
        ),
        ("unknown kid", ES.jwt().header("kid", r#""x""#).token()),
        ("alg none", HS.jwt().header("alg", r#""none""#).token()),
        ("unknown key", ApiKey::pbkdf2("nobody's").token),
        ("unknown random key", ApiKey::sha256("nobody's").token),
        ("expired key", ApiKey::sha256(SHA_EXPIRED).token),
    ];
    let two = [bearer(&ApiKey::sha256(SHA).token), bearer("x.y.z")].concat();
    let lines = tokens
        .into_iter()
        .map(|(name, token)| (name, bearer(&token)));
    lines.chain([("two fields", two)]).collect()
}

pub(crate) fn without_body(method: &str, path: &str, lines: &[u8]) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: ringest\r\n");
    [head.as_bytes(), lines, b"\r\n"].concat()
}

#[test]
fn unauthenticated_answers_do_not_depend_on_the_path() {
    let rig = Rig::start();
    let mut http = rig.ringest.connect();
    let none = ask(&rig.ringest, &mut http, &without_body("GET", EVENT, b""));
    let denied = ask(
        &rig.ringest,
        &mut http,
        &without_body("GET", EVENT, &bearer("x.y.z")),
    );
    assert_eq!((none.status, denied.status), (401, 401));
    assert!(!same(&none, &denied), "{none:?}");
    for (answer, error) in [(&none, false), (&denied, true)] {
        let challenge = answer
            .header("www-authenticate")
            .expect("RFC 9110 section 11.6.1");
        assert!(challenge.starts_with("Bearer "), "{answer:?}");
        assert_eq!(challenge.contains("error="), error, "{answer:?}");
        assert_eq!(answer.header("allow"), None, "{answer:?}");
    }
    let mut wrong = Vec::new();
    let bad = bad();
    for method in METHODS {
        for path in PATHS {
            let nothing = [("nothing", Vec::new())];
            for (who, lines) in nothing.iter().chain(&bad) {
                let answer = ask(&rig.ringest, &mut http, &without_body(method, path, lines));
                let mut expected = Answer {
                    status: 401,
                    headers: if lines.is_empty() { &none } else { &denied }
                        .headers
                        .clone(),
                    body: if lines.is_empty() { &none } else { &denied }.body.clone(),
                };
                if method == "HEAD" {
                    expected.body.clear();
                }
                let (plain, _) = described(&answer);
                if !same(&plain, &expected) {
                    wrong.push(format!("{method} {path} by {who}: {answer:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Authenticated clients get specific answers.
    let good = bearer(&ApiKey::pbkdf2(PB).token);
    let answer = ask(&rig.ringest, &mut http, &without_body("GET", EVENT, &good));
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let answer = ask(
        &rig.ringest,
        &mut http,
        &without_body("POST", "/ingest/Nothing", &good),
    );
    assert_eq!(answer.status, 404);
}

/// OPTIONS needs no credential, and its answer does not depend on one.
#[test]
fn options_are_the_same_everywhere() {
    let rig = Rig::start();
    let mut http = rig.ringest.connect();
    let first = ask(
        &rig.ringest,
        &mut http,
        &without_body("OPTIONS", EVENT, b""),
    );
    assert!(
        matches!(first.status, 200..=299 | 400..=499) && first.status != 401,
        "{first:?}"
    );
    for path in PATHS {
        for lines in [
            &b""[..],
            b"Authorization: Bearer x.y.z\r\n",
            b"Origin: https://a.test\r\n",
        ] {
            let answer = ask(
                &rig.ringest,
                &mut http,
                &without_body("OPTIONS", path, lines),
            );
            assert!(same(&answer, &first), "{path}: {answer:?}, not {first:?}");
        }
    }
}

/// Paths outside `/ingest/`, including a route: unauthenticated answers are the same for all.
#[test]
fn other_paths() {
    let collect = "name = \"Collected\"\nversion = \"1.0\"\ntopic = \"signed\"\n\
                   path = \"/collect/it\"\n";
    let rig = Rig::start_with(|builder| issuers::configure(builder).model_file(collect));
    let mut http = rig.ringest.connect();
    let mut answers = Vec::new();
    for path in [
        "/collect/it",
        "/collect/it/",
        "/COLLECT/IT?a=b",
        "/collect/other",
        "/collect",
        "/",
        "/nowhere",
        "/metrics",
        "/ready",
        "/routes",
        "/openapi.json",
        "/ingest",
        "/healthz",
        "/health/",
        "/health/x",
        "/health%00",
    ] {
        for method in ["GET", "POST"] {
            let answer = ask(&rig.ringest, &mut http, &without_body(method, path, b""));
            assert!(matches!(answer.status, 401 | 404), "{path}: {answer:?}");
            answers.push(answer);
        }
    }
    for answer in &answers {
        assert!(same(answer, &answers[0]), "{answer:?}");
    }
    let good = bearer(&ApiKey::sha256(SHA).token);
    let request = post("/collect/it", &good, b"[]");
    assert_eq!(ask(&rig.ringest, &mut http, &request).status, 200);
}

/// With a path prefix for all routes.
#[test]
fn below_a_prefix() {
    let rig =
        Rig::start_with(|builder| issuers::configure(builder).set("listen.path_prefix", "/api"));
    let mut http = rig.ringest.connect();
    let first = ask(
        &rig.ringest,
        &mut http,
        &without_body("GET", "/api/ingest/Event/1.0", b""),
    );
    assert_eq!(first.status, 401);
    for path in [
        "/api/ingest/Nothing",
        "/api/ingest/",
        "/API/ingest/event/1.0",
    ] {
        for method in ["GET", "POST", "PUT"] {
            let answer = ask(&rig.ringest, &mut http, &without_body(method, path, b""));
            assert!(same(&answer, &first), "{method} {path}: {answer:?}");
        }
    }
    let good = bearer(&ApiKey::sha256(SHA).token);
    for (path, status) in [
        ("/api/ingest/Event/1.0", 200),
        (EVENT, 404),
        ("/api/health", 404),
    ] {
        let request = post(path, &good, b"[]");
        assert_eq!(
            ask(&rig.ringest, &mut http, &request).status,
            status,
            "{path}"
        );
    }
}

/// The key URLs in a token are never requested.
#[test]
fn key_urls_in_tokens_are_not_requested() {
    let rig = Rig::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("it is bound");
    let mut http = rig.ringest.connect();
    for name in ["jku", "x5u", "url", "iss"] {
        for host in [format!("http://{address}"), format!("https://{address}")] {
            let url = format!("\"{host}/.well-known/jwks.json\"");
            let good = RS.jwt().header(name, &url);
            assert_eq!(
                ask(&rig.ringest, &mut http, &empty(&good.token())).status,
                200,
                "{name}"
            );
            let forged = good.signed_by(Signer::other_rs256());
            assert_eq!(
                ask(&rig.ringest, &mut http, &empty(&forged.token())).status,
                401,
                "{name}"
            );
            let issued = ES
                .jwt()
                .header("kid", r#""new""#)
                .claim("iss", &format!("\"{host}\""));
            assert_eq!(
                ask(&rig.ringest, &mut http, &empty(&issued.token())).status,
                401,
                "{name}"
            );
        }
    }
    let asked = listener.accept().map(|(_, peer)| peer);
    assert_eq!(
        asked.map_err(|it| it.kind()),
        Err(io::ErrorKind::WouldBlock)
    );
}
