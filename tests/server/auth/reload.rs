//! Credentials are revoked, restricted and replaced while connections are open: changes take effect on
//! every worker within five seconds, and no connection is closed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    AUDIT, EVENT, Ending, ORDER, PATIENCE, Rig, ask,
    case::{bearer, post},
    empty,
    issuers::{self, ApiKey, ED, ES, HS, PB, PB_EVENTS, RS, SHA, SHA_ORDERS, key_table},
    keys::{ED25519_PUBLIC_PEM, P256_2, Signer, p256_jwk},
};
use crate::support::{
    http::Http,
    ringest::Ringest,
    wait::{await_that, eventually},
};

/// "A removed key is refused on every worker within 5 seconds."
const IN_FORCE: Duration = Duration::from_secs(5);

/// Enough for several per worker.
const CONNECTIONS: usize = 12;

/// More than can wait for verification at a time.
const CACHED: usize = 1_500;

/// Connections that stay open across reloads.
struct Clients<'r> {
    ringest: &'r Ringest,
    connections: Vec<Http>,
}

impl Clients<'_> {
    /// The status on each connection and on a new one; none is ever closed.
    fn statuses(&mut self, path: &str, token: &str) -> Vec<u16> {
        let request = post(path, &bearer(token), b"[]");
        let mut fresh = self.ringest.connect();
        let all = self.connections.iter_mut().chain([&mut fresh]);
        all.map(|http| {
            http.send(&request).expect("the connection is open");
            let answer = http.answer().expect("the connection is open");
            assert!(!answer.closes(), "{answer:?}");
            answer.status
        })
        .collect()
    }

    #[track_caller]
    fn get(&mut self, path: &str, token: &str, status: u16) {
        let statuses = self.statuses(path, token);
        assert!(
            statuses.iter().all(|it| *it == status),
            "{statuses:?}, not {status}"
        );
    }

    /// Asserts that all get this status in time.
    #[track_caller]
    fn get_soon(&mut self, path: &str, token: &str, status: u16) {
        let changed = Instant::now();
        let told = eventually(PATIENCE, || {
            let statuses = self.statuses(path, token);
            statuses
                .iter()
                .all(|it| *it == status)
                .then(|| changed.elapsed())
        });
        let told = told.unwrap_or_else(|| panic!("never {status} at {path}"));
        assert!(told <= IN_FORCE, "{status} at {path} only after {told:?}");
    }
}

/// Cached credentials of every kind are not verified again after reloads that leave what proved them, whatever
/// else they change.
#[test]
fn cached_credentials_are_not_verified_again() {
    let names: Vec<String> = (0..CACHED)
        .map(|number| format!("client {number}"))
        .collect();
    let keys: Vec<ApiKey> = names.iter().map(|name| ApiKey::pbkdf2(name)).collect();
    let tables = names.iter().zip(&keys);
    let tables: String = tables.map(|(name, key)| key_table(name, key, "")).collect();
    let rig = Rig::start_with(|builder| {
        issuers::configure(builder)
            .auth(&(issuers::auth() + &tables))
            .set("workers", "1")
    });
    let ringest = &rig.ringest;
    let good = issuers::good().into_iter().map(|(_, token)| token);
    let requests: Vec<Vec<u8>> = good
        .chain(keys.into_iter().map(|key| key.token))
        .map(|token| empty(&token))
        .collect();
    let mut http = ringest.connect();
    for request in &requests {
        assert_eq!(ask(ringest, &mut http, request).status, 200);
    }
    let verified = || ringest.count("ringest_credentials_total{result=\"verified\"}");
    assert_eq!(verified(), requests.len() as u64);
    let model = "name = \"Aaa\"\nversion = \"1.0\"\ntopic = \"later\"\n";
    let changes: [&dyn Fn(); 4] = [
        &|| {},
        &|| {
            let text = ringest.auth();
            ringest.set_auth(&without(&text, &key_table(SHA_ORDERS, &orders(), ORDERS)));
        },
        &|| ringest.write("models/aaa.toml", model.as_bytes()),
        // The same key in a new file.
        &|| ringest.write("ed.pem", ED25519_PUBLIC_PEM.as_bytes()),
    ];
    for change in changes {
        let generation = ringest.count("ringest_config_generation");
        change();
        ringest.reload();
        await_that("no reload", || {
            ringest.count("ringest_config_generation") > generation
        });
        // All at once: on a connection each.
        for crowd in requests.chunks(500) {
            let mut crowd: Vec<_> = crowd.iter().map(|it| (ringest.connect(), it)).collect();
            for (http, request) in &mut crowd {
                http.send(request).expect("ringest reads");
            }
            for (http, _) in &mut crowd {
                assert_eq!(http.answer().expect("an answer").status, 200);
            }
        }
    }
    assert_eq!(verified(), requests.len() as u64);
}

const ORDERS: &str = r#"routes = ["Order/*"]"#;

fn orders() -> ApiKey {
    ApiKey::sha256(SHA_ORDERS)
}

fn without(auth: &str, table: &str) -> String {
    assert!(auth.contains(table));
    auth.replace(table, "")
}

#[test]
fn revoked_narrowed_replaced() {
    let rig = Rig::start_with(|builder| {
        let added = key_table("doomed", &ApiKey::sha256("doomed"), "")
            + &key_table("doomed-pb", &ApiKey::pbkdf2("doomed-pb"), "");
        issuers::configure(builder).auth(&(issuers::auth() + &added))
    });
    let over = AtomicBool::new(false);
    let ringest = &rig.ringest;
    thread::scope(|scope| {
        let untouched = scope.spawn(|| is_not_affected(ringest, &over));
        let connections = (0..CONNECTIONS).map(|_| ringest.connect()).collect();
        let mut clients = Clients {
            ringest,
            connections,
        };
        let ending = Ending(&over);
        removed(&rig, &mut clients);
        narrowed_and_widened(&rig, &mut clients);
        issuers_change(&rig, &mut clients);
        key_files(&rig, &mut clients);
        faulty(&rig, &mut clients);
        mended(&rig, &mut clients);
        drop(ending);
        let requests = untouched.join().expect("a client noticed");
        assert!(requests > 100, "{requests}");
    });
    assert_eq!(rig.ringest.count("ringest_worker_restarts_total"), 0);
}

/// A client whose key does not change; returns how many requests it sent on its connection.
fn is_not_affected(ringest: &Ringest, over: &AtomicBool) -> usize {
    let request = post(EVENT, &bearer(&ApiKey::pbkdf2(PB).token), b"[]");
    let mut http = ringest.connect();
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        http.send(&request).expect("the connection is open");
        let answer = http.answer().expect("the connection is open");
        assert_eq!((answer.status, answer.closes()), (200, false), "{answer:?}");
        count += 1;
        thread::sleep(Duration::from_millis(5));
    }
    count
}

/// An entry `[[auth.keys]]` is removed.
fn removed(rig: &Rig, clients: &mut Clients<'_>) {
    let (sha, pb) = (ApiKey::sha256("doomed"), ApiKey::pbkdf2("doomed-pb"));
    for token in [&sha.token, &pb.token] {
        clients.get(EVENT, token, 200);
        clients.get(EVENT, token, 200); // remembered
    }
    let text = without(&rig.ringest.auth(), &key_table("doomed", &sha, ""));
    rig.ringest
        .set_auth(&without(&text, &key_table("doomed-pb", &pb, "")));
    rig.ringest.reload();
    for token in [&sha.token, &pb.token] {
        clients.get_soon(EVENT, token, 401);
    }
    clients.get(EVENT, &ApiKey::sha256(SHA).token, 200);
}

/// Another scope of a key, then a new key, then a new route.
fn narrowed_and_widened(rig: &Rig, clients: &mut Clients<'_>) {
    let key = ApiKey::sha256(SHA);
    clients.get(EVENT, &key.token, 200);
    let all = key_table(SHA, &key, "");
    let orders = key_table(SHA, &key, "routes = [\"Order/*\"]");
    let text = rig.ringest.auth();
    rig.ringest.set_auth(&text.replace(&all, &orders));
    rig.ringest.reload();
    clients.get_soon(EVENT, &key.token, 403);
    clients.get(ORDER, &key.token, 200);

    let new = ApiKey::pbkdf2("new");
    clients.get(EVENT, &new.token, 401);
    clients.get("/ingest/Aardvark/1.0", &ApiKey::pbkdf2(PB).token, 404);
    rig.ringest.set_auth(&(text + &key_table("new", &new, "")));
    let model = "name = \"Aardvark\"\nversion = \"1.0\"\ntopic = \"later\"\n";
    rig.ringest.write("models/aardvark.toml", model.as_bytes());
    rig.ringest.reload();
    clients.get_soon(EVENT, &new.token, 200);
    clients.get_soon(EVENT, &key.token, 200);
    clients.get_soon("/ingest/Aardvark/1.0", &ApiKey::pbkdf2(PB).token, 200);
    let scoped = ApiKey::pbkdf2(PB_EVENTS).token;
    for (path, status) in [
        (EVENT, 200),
        (AUDIT, 200),
        (ORDER, 403),
        ("/ingest/Aardvark/1.0", 403),
    ] {
        clients.get(path, &scoped, status);
    }
    routes_move(rig, clients, &scoped);
}

/// A new route that sorts first: cached scopes, which refer to routes by index, must not be used.
fn routes_move(rig: &Rig, clients: &mut Clients<'_>, scoped: &str) {
    let model = "name = \"Aaa\"\nversion = \"1.0\"\ntopic = \"later\"\n";
    rig.ringest.write("models/aaa.toml", model.as_bytes());
    rig.ringest.reload();
    clients.get_soon("/ingest/Aaa/1.0", &ApiKey::pbkdf2(PB).token, 200);
    for (path, status) in [
        (EVENT, 200),
        (AUDIT, 200),
        (ORDER, 403),
        ("/ingest/Aaa/1.0", 403),
    ] {
        clients.get(path, scoped, status);
    }
}

/// Changed requirements of an issuer, and a removed issuer.
fn issuers_change(rig: &Rig, clients: &mut Clients<'_>) {
    let (ed, rs) = (ED.jwt().token(), RS.jwt().token());
    let other = ED.jwt().claim("aud", r#""other""#).token();
    clients.get(EVENT, &ed, 200);
    clients.get(EVENT, &rs, 200);
    clients.get(EVENT, &other, 401);
    let text = rig.ringest.auth();
    let ed_from = "issuer = \"https://ed.test\"\naudience = \"ingest\"";
    let ed_to = ed_from.replace("ingest", "other");
    let rs_from = "issuer = \"https://rs.test\"";
    let rs_to = "issuer = \"https://elsewhere.test\"";
    assert!(text.contains(ed_from) && text.contains(rs_from));
    rig.ringest
        .set_auth(&text.replace(ed_from, &ed_to).replace(rs_from, rs_to));
    rig.ringest.reload();
    clients.get_soon(EVENT, &ed, 401);
    clients.get_soon(EVENT, &rs, 401);
    clients.get_soon(EVENT, &other, 200);
    rig.ringest.set_auth(&text);
    rig.ringest.reload();
    clients.get_soon(EVENT, &ed, 200);
    clients.get_soon(EVENT, &other, 401);
}

/// Changed key files with the same `kid`: no signal is needed.
fn key_files(rig: &Rig, clients: &mut Clients<'_>) {
    let (old, old_secret) = (ES.jwt().token(), HS.jwt().token());
    let new = ES
        .jwt()
        .header("kid", r#""es-1""#)
        .signed_by(Signer::other_es256())
        .token();
    let new_secret = b"the next secret, which is as long as the first";
    let new_by_secret = HS.jwt().signed_by(Signer::hs256(new_secret)).token();
    for (token, status) in [
        (&old, 200),
        (&old_secret, 200),
        (&new, 401),
        (&new_by_secret, 401),
    ] {
        clients.get(EVENT, token, status);
    }
    let set = p256_jwk(&P256_2, r#","kid":"es-1""#);
    rig.ringest
        .write("es.json", format!(r#"{{"keys":[{set}]}}"#).as_bytes());
    clients.get_soon(EVENT, &old, 401);
    clients.get_soon(EVENT, &new, 200);
    rig.ringest.write("hs.secret", new_secret);
    clients.get_soon(EVENT, &old_secret, 401);
    clients.get_soon(EVENT, &new_by_secret, 200);
}

/// What can't be used is not used: the log says why, and all stays as it was.
fn faulty(rig: &Rig, clients: &mut Clients<'_>) {
    let text = rig.ringest.auth();
    let doomed = without(&text, &key_table(SHA, &ApiKey::sha256(SHA), ""));
    let bad = "[[auth.keys]]\nname = \"bad\"\nhash = \"sha256:xyz\"\n";
    for (name, faulty) in [
        (
            "nonsense",
            doomed.replace("[auth]\n", "[auth]\nnonsense = 1\n"),
        ),
        ("auth.mode", doomed.replace("\"required\"", "\"perhaps\"")),
        ("no.pem", doomed.replace("\"ed.pem\"", "\"no.pem\"")),
        ("hash", doomed.clone() + bad),
        ("TOML", doomed.clone() + "\n[[[\n"),
    ] {
        let before = rig.ringest.log().len();
        rig.ringest.set_auth(&faulty);
        rig.ringest.reload();
        is_refused(rig, before, name);
        clients.get(EVENT, &ApiKey::sha256(SHA).token, 200);
    }
    rig.ringest.set_auth(&text);
    let token = ES
        .jwt()
        .header("kid", r#""es-1""#)
        .signed_by(Signer::other_es256())
        .token();
    for text in ["", r#"{"keys":[]}"#, r#"{"ke"#] {
        let before = rig.ringest.log().len();
        rig.ringest.write("es.json", text.as_bytes());
        is_refused(rig, before, "es.json");
        clients.get(EVENT, &token, 200);
    }
}

/// Waits for the log to say what is wrong.
fn is_refused(rig: &Rig, before: usize, name: &str) {
    await_that(
        &format!("the log does not say that {name} is wrong"),
        || {
            let log = rig.ringest.log();
            let mut new = log[before..].lines();
            new.any(|line| line.contains("ERROR") && line.contains(name))
        },
    );
}

/// After all that, it takes what is good again.
fn mended(rig: &Rig, clients: &mut Clients<'_>) {
    let set = p256_jwk(&P256_2, r#","kid":"es-3""#);
    rig.ringest
        .write("es.json", format!(r#"{{"keys":[{set}]}}"#).as_bytes());
    let token = ES
        .jwt()
        .header("kid", r#""es-3""#)
        .signed_by(Signer::other_es256())
        .token();
    clients.get_soon(EVENT, &token, 200);
    let key = ApiKey::sha256(SHA);
    rig.ringest
        .set_auth(&without(&rig.ringest.auth(), &key_table(SHA, &key, "")));
    rig.ringest.reload();
    clients.get_soon(EVENT, &key.token, 401);
}
