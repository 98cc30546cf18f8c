//! Quotas of keys, of issuers' principals and of routes, on either driver. Those that are to be used up are so small
//! that no test lasts until there is more.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use ringest::auth::KeyHash;

use crate::support::{
    compress::gzip,
    event::{PATH, RECORD, TOPIC},
    http::{Answer, Http, chunked},
    mock::Mock,
    ringest::{Builder, Ringest, drivers},
    wait::{await_that, eventually},
};

const SECRET: &[u8] = b"a secret of thirty-two bytes: 012";

/// A record that takes longer to accrue than any test lasts.
static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| format!(r#"{{"n":"{}"}}"#, "x".repeat(3_000)).into_bytes());

/// Of another client, whose key has no quota.
const FREE: &str = "free";

/// Keys, each with the name that is also its token, and with its quota.
fn keys(quotas: &[(&str, &str)]) -> String {
    let mut auth = "[auth]\n".to_owned();
    for (name, quota) in quotas.iter().chain([&(FREE, "")]) {
        let hash = KeyHash::sha256(name.as_bytes());
        auth.extend([format!(
            "[[auth.keys]]\nname = \"{name}\"\nhash = \"{hash}\"\n"
        )]);
        if !quota.is_empty() {
            auth.extend([format!("quota = {{ {quota} }}\n")]);
        }
    }
    auth
}

struct Rig {
    mock: Mock,
    ringest: Ringest,
}

impl Rig {
    fn start(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let mock = Mock::with_topics(&[TOPIC]);
        let builder = Ringest::of_events(&mock.brokers(), driver, 2);
        let ringest = configure(builder).start();
        Self { mock, ringest }
    }

    fn exchange(&self, request: &[u8]) -> Answer {
        exchange(&mut self.ringest.connect(), request)
    }

    fn records(&self) -> usize {
        self.mock.cluster().read(TOPIC).len()
    }

    /// Another client is not concerned.
    fn accepts(&self) {
        await_that("it takes no records", || {
            self.exchange(&post(FREE, "", RECORD)).status == 200
        });
    }
}

fn exchange(http: &mut Http, request: &[u8]) -> Answer {
    http.send(request).expect("ringest reads");
    http.answer().expect("an answer")
}

fn head(token: &str, lines: &str) -> Vec<u8> {
    format!("POST {PATH} HTTP/1.1\r\nHost: ringest\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")
        .into_bytes()
}

fn post(token: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = head(token, &format!("{lines}Content-Length: {}\r\n", body.len()));
    [&*head, body].concat()
}

/// A 429 of this quota, and the seconds of its `Retry-After`.
#[track_caller]
fn assert_over(answer: &Answer, code: &str, policy: &str) -> u64 {
    assert_eq!(
        (answer.status, &*answer.text("code")),
        (429, code),
        "{answer:?}"
    );
    assert_eq!(answer.text("persisted"), "no");
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    let wait = answer.header("retry-after").expect("a time");
    let name = policy.split(';').next().expect("a name");
    let limit = format!("{name};r=0;t={wait}");
    assert_eq!(answer.header("ratelimit"), Some(&*limit));
    wait.parse().expect("seconds")
}

#[test]
fn requests_over_a_quota_are_refused_and_others_are_not_concerned() {
    for driver in &drivers() {
        let rig = Rig::start(driver, |it| {
            it.auth(&keys(&[(
                "small",
                "requests_per_second = 2, burst_ms = 3_000",
            )]))
        });
        rig.accepts();
        let mut http = rig.ringest.connect();
        let accepted = |http: &mut Http| {
            let answers = (0..200).map(|_| exchange(http, &post("small", "", RECORD)));
            answers.take_while(|it| it.status == 200).count()
        };
        // Some accrue meanwhile, on a busy machine.
        assert!(accepted(&mut http) >= 6);
        let refused = eventually(Duration::from_secs(20), || {
            let answer = exchange(&mut http, &post("small", "", RECORD));
            (answer.status == 429).then_some(answer)
        });
        let answer = refused.expect("a refusal");
        let policy = "\"principal-requests\";q=6;w=3";
        assert_eq!(
            assert_over(&answer, "principal_requests_exceeded", policy),
            1
        );
        rig.accepts();
        await_that("nothing accrues", || {
            exchange(&mut http, &post("small", "", RECORD)).status == 200
        });
        // Both workers count in the same bucket; who has no credential learns nothing.
        await_that("the other worker has a quota of its own", || {
            let mut others: Vec<_> = (0..8).map(|_| rig.ringest.connect()).collect();
            let of = |http| exchange(http, &post("small", "", RECORD)).status;
            others.iter_mut().map(of).all(|status| status == 429)
        });
        assert_eq!(rig.exchange(&post("other", "", RECORD)).status, 401);
        let refused = rig
            .ringest
            .count("ringest_principal_over_quota_total{principal=\"small\"}");
        assert!(refused >= 9, "{refused}");
        let code = "ringest_rejected_total{code=\"principal_requests_exceeded\"}";
        assert_eq!(rig.ringest.count(code), refused);
        let log = rig.ringest.log();
        assert!(log.contains("principal_requests_exceeded"), "{log}");
    }
}

/// The length is in the head: the body is not asked for, and takes no buffer.
#[test]
fn bytes_are_charged_before_the_body_is_read() {
    for driver in &drivers() {
        let rig = Rig::start(driver, |it| {
            it.auth(&keys(&[
                ("small", "bytes_per_second = 1"),
                ("large", "bytes_per_second = 1"),
            ]))
        });
        rig.accepts();
        // One byte is left, and the rest is owed.
        assert_eq!(rig.exchange(&post("small", "", &LARGE)).status, 200);
        let large = head(
            "small",
            "Content-Length: 10000000\r\nExpect: 100-continue\r\n",
        );
        let answer = rig.exchange(&large);
        let policy = "\"principal-bytes\";q=1;w=1;qu=\"content-bytes\"";
        let wait = assert_over(&answer, "principal_bytes_exceeded", policy);
        assert!((2_000..3_010).contains(&wait), "{wait} s");
        // That of the record before is given back when it is acknowledged.
        rig.ringest.await_count("ringest_in_flight_bytes", 0);
        // A small body that has been sent is skipped, and the connection stays.
        let mut http = rig.ringest.connect();
        for _ in 0..3 {
            let answer = exchange(&mut http, &post("small", "", &LARGE));
            assert_over(&answer, "principal_bytes_exceeded", policy);
            assert!(!answer.closes(), "{answer:?}");
        }
        assert_eq!(exchange(&mut http, &post(FREE, "", RECORD)).status, 200);
        // A body that is refused for its length takes nothing.
        let answer = rig.exchange(&head("large", "Content-Length: 10000000000\r\n"));
        assert_eq!(
            (answer.status, &*answer.text("code")),
            (413, "body_too_large")
        );
        assert_eq!(rig.exchange(&post("large", "", &LARGE)).status, 200);
    }
}

#[test]
fn bytes_that_were_not_announced_are_owed_as_they_arrive() {
    for driver in &drivers() {
        let quota = "bytes_per_second = 1";
        let names = ["chunked", "cut", "gzip", "gzip-chunked"].map(|name| (name, quota));
        let rig = Rig::start(driver, |it| it.auth(&keys(&names)));
        rig.accepts();
        let zipped = gzip(&[b' '; 1_000].repeat(9), 9);
        let body = chunked(&LARGE, 100);
        let owed = |name: &str| {
            let answer = rig.exchange(&post(name, "", RECORD));
            let policy = "\"principal-bytes\";q=1;w=1;qu=\"content-bytes\"";
            assert_over(&answer, "principal_bytes_exceeded", policy)
        };
        let chunked_head = head("chunked", "Transfer-Encoding: chunked\r\n");
        assert_eq!(rig.exchange(&[&*chunked_head, &body].concat()).status, 200);
        assert!(owed("chunked") > 2_000);
        // What has arrived of a body that never ends counts, too.
        let mut http = rig.ringest.connect();
        let cut = head("cut", "Transfer-Encoding: chunked\r\n");
        http.send(&[&*cut, &body[..body.len() - 7]].concat())
            .expect("ringest reads");
        await_that("nothing is owed", || {
            rig.exchange(&head("cut", "Content-Length: 0\r\n")).status == 429
        });
        drop(http);
        // As what it is decoded to: an error, as it is no record.
        let coded = "Content-Encoding: gzip\r\n";
        assert_eq!(rig.exchange(&post("gzip", coded, &zipped)).status, 400);
        assert!(owed("gzip") > 8_900);
        let lines = format!("{coded}Transfer-Encoding: chunked\r\n");
        let request = [head("gzip-chunked", &lines), chunked(&zipped, 16)].concat();
        assert_eq!(rig.exchange(&request).status, 400);
        assert!(owed("gzip-chunked") > 8_900);
    }
}

#[test]
fn records_are_charged_all_or_none() {
    let array = |count: usize| format!("[{}]", vec!["{}"; count].join(",")).into_bytes();
    for driver in &drivers() {
        let rig = Rig::start(driver, |it| {
            it.auth(&keys(&[
                ("small", "records_per_second = 1"),
                ("invalid", "records_per_second = 1"),
            ]))
        });
        rig.accepts();
        let before = rig.records();
        // Invalid ones, and a request without any, do not count.
        for body in [&b"[{},{},1]"[..], b"[]", b"{"] {
            assert!([200, 400].contains(&rig.exchange(&post("invalid", "", body)).status));
        }
        assert_eq!(rig.exchange(&post("invalid", "", b"{}")).status, 200);
        // More than the burst: all of them, which are owed.
        assert_eq!(rig.exchange(&post("small", "", &array(300))).status, 200);
        let mut http = rig.ringest.connect();
        let policy = "\"principal-records\";q=1;w=1;qu=\"records\"";
        for body in [array(1), array(1_000), array(30_000)] {
            let answer = exchange(&mut http, &post("small", "", &body));
            let wait = assert_over(&answer, "principal_records_exceeded", policy);
            assert!((200..=300).contains(&wait), "{wait} s");
        }
        assert_eq!(rig.exchange(&post("small", "", b"[]")).status, 200);
        assert_eq!(rig.exchange(&post("small", "", b"{")).status, 400);
        assert_eq!(rig.records(), before + 301);
        for (name, value) in [("records", 300), ("over_quota", 3)] {
            let metric = format!("ringest_principal_{name}_total{{principal=\"small\"}}");
            assert_eq!(rig.ringest.count(&metric), value, "{metric}");
        }
    }
}

#[test]
fn a_routes_quota_is_that_of_all_its_clients() {
    for driver in &drivers() {
        let model = "name = \"Small\"\nversion = \"1\"\ntopic = \"events\"\n\
                     [quota]\nbytes_per_second = 2\n";
        let rig = Rig::start(driver, |it| it.auth(&keys(&[("a", "")])).model_file(model));
        rig.accepts();
        let small = |token: &str| {
            let request = post(token, "", &LARGE);
            let request = String::from_utf8(request).expect("text");
            request.replace(PATH, "/ingest/Small/1").into_bytes()
        };
        assert_eq!(rig.exchange(&small("a")).status, 200);
        let answer = rig.exchange(&small(FREE));
        let policy = "\"route-bytes\";q=2;w=1;qu=\"content-bytes\"";
        assert_over(&answer, "route_bytes_exceeded", policy);
        rig.accepts();
    }
}

fn token(claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let claims = format!(r#"{{"iss":"us","aud":"ingest","exp":9999999999{claims}}}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// By a claim, whatever token has it; and a reload keeps what is left of quotas that stay the same.
#[test]
fn an_issuers_principals_have_a_quota_each_that_a_reload_keeps() {
    let issuer = |records: u32| {
        format!(
            "[auth.jwt]\nissuer = \"us\"\naudience = \"ingest\"\nalgorithms = [\"HS256\"]\n\
             secret_file = \"secret\"\n[auth.jwt.quota]\nclaim = \"tenant\"\n\
             records_per_second = {records}\n"
        )
    };
    let auth = |records, other: &str| {
        keys(&[("key", "records_per_second = 1"), ("other", other)]) + &issuer(records)
    };
    let rig = Rig::start("auto", |it| {
        it.auth(&auth(1, "records_per_second = 1"))
            .file("secret", SECRET)
    });
    rig.accepts();
    let array = format!("[{}]", vec!["{}"; 500].join(","));
    let post = |token: &str| rig.exchange(&post(token, "", array.as_bytes())).status;
    let of =
        |tenant: &str, serial: u32| token(&format!(r#","tenant":"{tenant}","jti":"{serial}""#));
    for tenant in ["a", "b"] {
        assert_eq!(post(&of(tenant, 1)), 200);
        // Another token, on whatever worker.
        assert_eq!([2, 3, 4].map(|serial| post(&of(tenant, serial))), [429; 3]);
    }
    // Those without the claim are one.
    assert_eq!(post(&token(r#","sub":"1""#)), 200);
    assert_eq!(post(&token(r#","sub":"2""#)), 429);
    assert_eq!([post("key"), post("other")], [200; 2]);

    let reload = |auth: &str| {
        let generation = rig.ringest.count("ringest_config_generation");
        rig.ringest.set_auth(auth);
        rig.ringest.reload();
        await_that("no reload", || {
            rig.ringest.count("ringest_config_generation") > generation
        });
    };
    reload(&auth(1, "records_per_second = 2"));
    assert_eq!(
        [post(&of("a", 1)), post(&of("b", 5)), post("key")],
        [429; 3]
    );
    assert_eq!(post("other"), 200, "its quota is another one");
    reload(&auth(2, "records_per_second = 2"));
    assert_eq!(post(&of("a", 1)), 200, "its quota is another one");
    assert_eq!([post(&of("a", 1)), post("key"), post("other")], [429; 3]);
    // Of tokens the metrics have the `sub`.
    let count = |name| {
        rig.ringest
            .count(&format!("ringest_principal_requests_total{name}"))
    };
    assert_eq!(count("{principal=\"1\"}"), 1);
    assert!(count("{principal=\"other\"}") > 5);
}
