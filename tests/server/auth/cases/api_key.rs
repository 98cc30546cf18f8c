//! API keys: Moose's `<password>.<salt>` and random tokens by their SHA-256.

use crate::auth::{
    AUDIT, EVENT, EVENT_2, ORDER,
    case::{
        Cases,
        Expected::{Accepted, Denied, Forbidden, Status, Unauthorized},
    },
    issuers::{ApiKey, MOOSE, PB, PB_EVENTS, PB_EXPIRED, SHA, SHA_EXPIRED, SHA_ORDERS, hex},
    token::base64,
};

pub(crate) fn add(cases: &mut Cases) {
    halves(cases);
    changed(cases, "sha256", &ApiKey::sha256(SHA).token);
    changed(cases, "PBKDF2", &ApiKey::pbkdf2(PB).token);
    changed(cases, "Moose's", &ApiKey::pbkdf2(MOOSE).token);
    hashes(cases);
    scopes(cases);
    cases.token("sha256: expired", ApiKey::sha256(SHA_EXPIRED).token, Denied);
    cases.token("PBKDF2: expired", ApiKey::pbkdf2(PB_EXPIRED).token, Denied);
    let expired = ApiKey::sha256(SHA_EXPIRED).token;
    cases.token_at(
        "/ingest/Nothing/1.0",
        "expired, and no such route",
        expired,
        Denied,
    );
}

fn halves(cases: &mut Cases) {
    let (good, other) = (ApiKey::pbkdf2(PB).token, ApiKey::pbkdf2(MOOSE).token);
    let (password, salt) = good.split_once('.').expect("two halves");
    let (other_password, other_salt) = other.split_once('.').expect("two halves");
    let short = &password[..31];
    let zeros = "0".repeat(32);
    for (name, token) in [
        ("halves exchanged", format!("{salt}.{password}")),
        ("another key's salt", format!("{password}.{other_salt}")),
        ("another key's password", format!("{other_password}.{salt}")),
        ("the password twice", format!("{password}.{password}")),
        ("the salt twice", format!("{salt}.{salt}")),
        ("zeros", format!("{zeros}.{zeros}")),
        ("a wrong password", format!("{zeros}.{salt}")),
        ("a wrong salt", format!("{password}.{zeros}")),
        ("the password alone", password.to_owned()),
        ("the salt alone", salt.to_owned()),
        ("the password and a dot", format!("{password}.")),
        ("a dot and the salt", format!(".{salt}")),
        ("no dot", format!("{password}{salt}")),
        ("two dots", format!("{password}..{salt}")),
        ("a dot in front", format!(".{password}.{salt}")),
        ("a dot behind", format!("{password}.{salt}.")),
        ("a third part", format!("{password}.{salt}.{salt}")),
        ("31 digits of password", format!("{short}.{salt}")),
        ("33 digits of password", format!("{password}0.{salt}")),
        (
            "the dot a digit earlier",
            format!("{short}.{}{salt}", &password[31..]),
        ),
        ("31 digits of salt", format!("{password}.{}", &salt[..31])),
        ("33 digits of salt", format!("{password}.{salt}0")),
        (
            "password in upper case",
            format!("{}.{salt}", password.to_uppercase()),
        ),
        (
            "salt in upper case",
            format!("{password}.{}", salt.to_uppercase()),
        ),
        (
            "letters beyond hexadecimal",
            format!("{}.{salt}", "g".repeat(32)),
        ),
        (
            "a long password",
            format!("{}.{salt}", password.repeat(100)),
        ),
        ("a long salt", format!("{password}.{}", salt.repeat(100))),
        (
            "a password of zeros behind",
            format!("{password}{zeros}.{salt}"),
        ),
        (
            "halves in base64url",
            format!("{}.{}", base64(password), base64(salt)),
        ),
    ] {
        cases.token(&format!("PBKDF2: {name}"), token, Denied);
    }
    // HMAC pads a short key with zeros and hashes a long one: such a password makes the same hash.
    for (name, behind) in [("NUL", "\0"), ("a percent-encoded NUL", "%00")] {
        let token = format!("{password}{behind}.{salt}");
        let expected = if behind == "\0" {
            Status(400)
        } else {
            Unauthorized
        };
        cases.token(
            &format!("PBKDF2: {name} behind the password"),
            token,
            expected,
        );
    }
    for (name, token) in [
        ("a comma for the dot", format!("{password},{salt}")),
        ("a colon for the dot", format!("{password}:{salt}")),
        ("a blank for the dot", format!("{password} {salt}")),
        ("blanks around the dot", format!("{password} . {salt}")),
    ] {
        cases.token(&format!("PBKDF2: {name}"), token, Unauthorized);
    }
}

fn changed(cases: &mut Cases, kind: &str, good: &str) {
    cases.token(&format!("{kind}: good"), good, Accepted);
    for (name, token) in [
        ("the first half", good[..good.len() / 2].to_owned()),
        ("the second half", good[good.len() / 2..].to_owned()),
        ("all but the first character", good[1..].to_owned()),
        (
            "all but the last character",
            good[..good.len() - 1].to_owned(),
        ),
        ("a character more in front", format!("a{good}")),
        ("a character more behind", format!("{good}a")),
        ("padding behind", format!("{good}=")),
        ("itself behind", good.repeat(2)),
        ("backwards", good.chars().rev().collect()),
        ("in upper case", good.to_uppercase()),
        ("in base64url", base64(good)),
        ("in hexadecimal", hex(good)),
        ("first character another", format!("~{}", &good[1..])),
        (
            "last character another",
            format!("{}~", &good[..good.len() - 1]),
        ),
    ] {
        cases.token(&format!("{kind}: {name}"), token, Denied);
    }
    cases.token(
        &format!("{kind}: in quotes"),
        format!("\"{good}\""),
        Unauthorized,
    );
}

/// What somebody knows who has read the configuration.
fn hashes(cases: &mut Cases) {
    let (sha, pb, moose) = (
        ApiKey::sha256(SHA).hash,
        ApiKey::pbkdf2(PB).hash,
        ApiKey::pbkdf2(MOOSE).hash,
    );
    let digits = sha.trim_start_matches("sha256:");
    for (name, token) in [
        ("sha256", digits.to_owned()),
        (
            "sha256 in halves",
            format!("{}.{}", &digits[..32], &digits[32..]),
        ),
        ("sha256 in base64url", base64(digits)),
        ("PBKDF2", pb.clone()),
        ("PBKDF2 twice", format!("{pb}.{pb}")),
        (
            "PBKDF2 in 32 digits and 8",
            format!("{}.{}", &pb[..32], &pb[32..]),
        ),
        ("Moose's", moose),
    ] {
        cases.token(&format!("the hash as a token: {name}"), token, Denied);
    }
    cases.token(
        "the hash as a token: sha256 with its prefix",
        sha,
        Unauthorized,
    );
    for name in [SHA, PB, MOOSE, "true", "null", "undefined", "0"] {
        cases.token(&format!("as a token: {name}"), name, Denied);
    }
}

fn scopes(cases: &mut Cases) {
    let (orders, events) = (ApiKey::sha256(SHA_ORDERS), ApiKey::pbkdf2(PB_EVENTS));
    let mut row = |key: &str, token: &str, path: &str, expected| {
        cases.token_at(path, &format!("{key} at {path}"), token, expected);
    };
    row(SHA_ORDERS, &orders.token, ORDER, Accepted);
    row(SHA_ORDERS, &orders.token, "/ingest/Order", Accepted);
    row(SHA_ORDERS, &orders.token, "/ingest/order/1.0/", Accepted);
    row(SHA_ORDERS, &orders.token, EVENT, Forbidden);
    row(SHA_ORDERS, &orders.token, AUDIT, Forbidden);
    row(SHA_ORDERS, &orders.token, "/ingest/%45vent/1.0", Forbidden);
    row(SHA_ORDERS, &orders.token, "/ingest/Order/2.0", Status(404));
    row(SHA_ORDERS, &orders.token, "/ingest/Nothing", Status(404));
    row(
        SHA_ORDERS,
        &orders.token,
        "/ingest/Order/../Event/1.0",
        Status(404),
    );
    row(PB_EVENTS, &events.token, EVENT, Accepted);
    row(PB_EVENTS, &events.token, AUDIT, Accepted);
    row(PB_EVENTS, &events.token, EVENT_2, Forbidden);
    row(PB_EVENTS, &events.token, "/ingest/Event", Forbidden);
    row(PB_EVENTS, &events.token, ORDER, Forbidden);
    row(SHA, &ApiKey::sha256(SHA).token, AUDIT, Accepted);
    row(MOOSE, &ApiKey::pbkdf2(MOOSE).token, ORDER, Accepted);
    row(
        MOOSE,
        &ApiKey::pbkdf2(MOOSE).token,
        "/ingest/Nothing/1.0",
        Status(404),
    );
}
