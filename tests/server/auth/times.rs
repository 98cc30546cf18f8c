//! Credentials that expire or become valid while they are cached.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;

use super::{
    Rig, ask, empty,
    issuers::{self, ApiKey, ED, ES, HS, RS, full, key_table},
    token::now,
};
use crate::support::{http::Http, ringest::Ringest};

/// How long to continue after the change.
const AFTER: Duration = Duration::from_secs(1);

const PAUSE: Duration = Duration::from_millis(25);

/// When the answer to a credential changes.
struct Change {
    name: &'static str,
    token: String,
    at: Duration,
    before: u16,
    after: u16,
}

#[test]
fn expiry_applies_to_cached_credentials() {
    let (brief, later) = (ApiKey::sha256("brief"), ApiKey::pbkdf2("later"));
    // Time enough to start a server.
    let expiry = now() + 12;
    let expires = i64::try_from(expiry).expect("this century");
    let expires = Timestamp::from_second(expires).expect("this century");
    let expires = format!("expires = \"{expires}\"");
    let keys = key_table("brief", &brief, &expires) + &key_table("later", &later, &expires);
    let rig =
        Rig::start_with(|builder| issuers::configure(builder).auth(&(issuers::auth() + &keys)));

    let now = now();
    let change = |name, token, at, (before, after)| Change {
        name,
        token,
        at: Duration::from_secs(at),
        before,
        after,
    };
    let seconds = |after: u64| (now + after).to_string();
    let ends = (200, 401);
    let begins = (401, 200);
    let window = ED
        .jwt()
        .claim("nbf", &seconds(2))
        .claim("exp", &seconds(6))
        .token();
    let leeway = (now - 57).to_string();
    let changes = [
        change(
            "exp, RS256",
            RS.jwt().claim("exp", &seconds(3)).token(),
            now + 3,
            ends,
        ),
        change(
            "exp, ES256",
            ES.jwt().claim("exp", &seconds(4)).token(),
            now + 4,
            ends,
        ),
        change(
            "exp, HS256",
            HS.jwt().claim("exp", &seconds(3)).token(),
            now + 3,
            ends,
        ),
        change(
            "exp and leeway",
            full().claim("exp", &leeway).token(),
            now + 3,
            ends,
        ),
        change(
            "nbf",
            HS.jwt().claim("nbf", &seconds(3)).token(),
            now + 3,
            begins,
        ),
        change("nbf, then exp: nbf", window.clone(), now + 2, begins),
        change("nbf, then exp: exp", window, now + 6, ends),
        change("sha256 key", brief.token, expiry, ends),
        change("PBKDF2 key", later.token, expiry, ends),
    ];
    let ringest = &rig.ringest;
    thread::scope(|scope| {
        for change in &changes {
            scope.spawn(|| watch(ringest, change));
        }
    });
}

/// Sends requests on a persistent connection and on new ones, until some time after the change.
fn watch(ringest: &Ringest, change: &Change) {
    let request = empty(&change.token);
    let mut seen = [0, 0];
    // A credential that has two changes is looked at from near the one on.
    while clock() + Duration::from_secs(3) < change.at {
        thread::sleep(PAUSE);
    }
    let mut kept: Http = ringest.connect();
    while clock() < change.at + AFTER {
        for http in [&mut kept, &mut ringest.connect()] {
            let sent = clock();
            let answer = ask(ringest, http, &request);
            let received = clock();
            assert!(!answer.closes(), "{}: {answer:?}", change.name);
            if received < change.at {
                assert_eq!(
                    answer.status, change.before,
                    "{}, before: {answer:?}",
                    change.name
                );
                seen[0] += 1;
            }
            if sent >= change.at {
                assert_eq!(
                    answer.status, change.after,
                    "{}, after: {answer:?}",
                    change.name
                );
                seen[1] += 1;
            }
        }
        thread::sleep(PAUSE);
    }
    assert!(
        seen.iter().all(|it| *it > 2),
        "{}: asked {seen:?} times",
        change.name
    );
}

fn clock() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right")
}
