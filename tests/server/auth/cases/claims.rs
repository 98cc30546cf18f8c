//! Who issued a token, for whom, about whom, and what else its issuer must say.

use crate::auth::{
    AUDIT, EVENT, EVENT_2, ORDER,
    case::{
        Cases,
        Expected::{Accepted, Denied, Forbidden, NotAllowed, Open, Status},
    },
    issuers::{ES, HS, RS, full},
    keys::Signer,
};

pub(crate) fn add(cases: &mut Cases) {
    issuer(cases);
    audience(cases);
    subject(cases);
    required(cases);
    scope(cases);
    scope_of_a_wrong_type(cases);
}

fn issuer(cases: &mut Cases) {
    let values = [
        r#""https://RS.test""#,
        r#""HTTPS://rs.test""#,
        r#""https://rs.test/""#,
        r#""https://rs.test ""#,
        r#"" https://rs.test""#,
        r#""https://rs.test\u0000""#,
        r#""https://rs.test.""#,
        r#""https://rs.tes""#,
        r#""https://rs.test.evil.test""#,
        r#""https://rs.test@evil.test""#,
        r#""https://rs.test:443""#,
        r#""https://%72s.test""#,
        r#""http://rs.test""#,
        r#""rs.test""#,
        r#""https://rs\u200b.test""#,
        r#""https://r\u0455.test""#,
        r#""""#,
        r#""*""#,
        r#""https://es.test""#,
        r#""https://nobody.test\nINJECTED""#,
        r#"["https://rs.test"]"#,
        r#"["https://rs.test","https://evil.test"]"#,
        r#"{"https://rs.test":1}"#,
        "null",
        "true",
        "0",
        "[]",
    ];
    let long = format!("\"https://rs.test/{}\"", "x".repeat(9_000));
    cases.jwt("iss of 9,000 bytes", &RS.jwt().claim("iss", &long), Denied);
    for iss in values {
        cases.jwt(&format!("iss {iss}"), &RS.jwt().claim("iss", iss), Denied);
    }
    cases.jwt("no iss", &RS.jwt().without_claim("iss"), Denied);
    let header = RS
        .jwt()
        .without_claim("iss")
        .header("iss", r#""https://rs.test""#);
    cases.jwt("iss in the header alone", &header, Denied);
    let header = RS.jwt().header("iss", r#""https://es.test""#);
    cases.jwt("another iss in the header", &header, Open);
    let other = ES
        .jwt()
        .claim("iss", r#""https://set.test""#)
        .header("kid", r#""ec-b""#);
    cases.jwt("iss of another issuer, and its kid", &other, Denied);
}

fn audience(cases: &mut Cases) {
    let bad = [
        r#""""#,
        r#""Ingest""#,
        r#""INGEST""#,
        r#""ingest ""#,
        r#""ingest2""#,
        r#""inges""#,
        r#""ingest,other""#,
        r#""other ingest""#,
        r#""other""#,
        r#""*""#,
        r#""ingest\u0000""#,
        r#""\uff49ngest""#,
        r#""\u0131ngest""#,
        "[]",
        r#"["other"]"#,
        r#"["other","another"]"#,
        r#"[["ingest"]]"#,
        r#"["Ingest"]"#,
        r#"["ingest",1]"#,
        r#"["ingest",null]"#,
        r#"["ingest",["x"]]"#,
        r#"[{"aud":"ingest"}]"#,
        r#"{"ingest":true}"#,
        r#"{"0":"ingest"}"#,
        "null",
        "true",
        "1",
    ];
    for aud in bad {
        cases.jwt(&format!("aud {aud}"), &HS.jwt().claim("aud", aud), Denied);
    }
    cases.jwt("no aud", &HS.jwt().without_claim("aud"), Denied);
    let good = [
        r#"["ingest"]"#,
        r#"["ingest","other"]"#,
        r#"["other","ingest"]"#,
        r#"["ingest","ingest"]"#,
        r#"["","ingest"]"#,
    ];
    for aud in good {
        cases.jwt(&format!("aud {aud}"), &HS.jwt().claim("aud", aud), Accepted);
    }
    let many = format!("[{}\"ingest\"]", r#""x","#.repeat(2_000));
    cases.jwt(
        "aud is the last of 2,001",
        &HS.jwt().claim("aud", &many),
        Accepted,
    );
    let azp = HS
        .jwt()
        .claim("aud", r#""other""#)
        .claim("azp", r#""ingest""#);
    cases.jwt("azp is no aud", &azp, Denied);
}

fn subject(cases: &mut Cases) {
    cases.jwt("no sub", &HS.jwt().without_claim("sub"), Accepted);
    cases.jwt("no sub for a header", &full().without_claim("sub"), Open);
    let empty = HS.jwt().claim("sub", r#""""#);
    cases.jwt("an empty sub", &empty, Accepted);
    for sub in ["1", "null", "true", r#"["root"]"#, r#"{"a":1}"#] {
        cases.jwt(&format!("sub {sub}"), &HS.jwt().claim("sub", sub), Open);
        cases.jwt(
            &format!("sub {sub} for a header"),
            &full().claim("sub", sub),
            Open,
        );
    }
    for sub in [
        r#""a\r\nX-Admin: 1""#,
        r#""a\u0000b""#,
        r#""\u202eé🦀""#,
        r#""x\nINJECTED""#,
    ] {
        cases.jwt(
            &format!("sub {sub} for a header"),
            &full().claim("sub", sub),
            Open,
        );
    }
    let long = format!("\"{}\"", "s".repeat(5_000));
    cases.jwt(
        "a sub of 5,000 bytes for a header",
        &full().claim("sub", &long),
        Open,
    );
    cases.jwt("jti of a wrong type", &HS.jwt().claim("jti", "[]"), Open);
    let forged = HS
        .jwt()
        .claim("sub", r#""root""#)
        .signed_by(Signer::hs256(b"guessed"));
    cases.jwt("sub root, a guessed secret", &forged, Denied);
}

fn required(cases: &mut Cases) {
    for name in ["tenant", "tier"] {
        cases.jwt(
            &format!("no {name}, which is required"),
            &full().without_claim(name),
            Denied,
        );
    }
    let values = [
        ("tenant", r#""Acme""#),
        ("tenant", r#""acme ""#),
        ("tenant", r#""""#),
        ("tenant", r#"["acme"]"#),
        ("tenant", r#"{"acme":true}"#),
        ("tenant", "null"),
        ("tenant", "true"),
        ("tier", r#""2""#),
        ("tier", "3"),
        ("tier", "-2"),
        ("tier", "2.5"),
        ("tier", "[2]"),
        ("tier", "true"),
        ("tier", "null"),
    ];
    for (name, value) in values {
        let jwt = full().claim(name, value);
        cases.jwt(
            &format!("{name} {value}, which is required otherwise"),
            &jwt,
            Denied,
        );
    }
    cases.jwt(
        "tier 2.0, where 2 is required",
        &full().claim("tier", "2.0"),
        Open,
    );
    let twice = full().also_claim(r#""tenant""#, r#""acme""#);
    cases.jwt("a required claim twice", &twice, Denied);
    let nested = full()
        .without_claim("tenant")
        .claim("x", r#"{"tenant":"acme"}"#);
    cases.jwt("a required claim within another", &nested, Denied);
    let header = full().without_claim("tenant").header("tenant", r#""acme""#);
    cases.jwt("a required claim in the header", &header, Denied);
}

fn scope(cases: &mut Cases) {
    let mut row = |globs: &str, path, expected| {
        let token = full().claim("may_send", globs).token();
        cases.token_at(
            path,
            &format!("may_send {globs} at {path}"),
            token,
            expected,
        );
    };
    row(r#""*""#, ORDER, Accepted);
    row(r#""Event/1.0""#, EVENT, Accepted);
    row(r#""Event/1.0""#, EVENT_2, Forbidden);
    row(r#""Event/1.0""#, ORDER, Forbidden);
    row(r#""Event/1.0""#, "/ingest/Event", Forbidden); // which is 2.0
    row(r#""Event/2.0""#, "/ingest/Event", Accepted);
    row(r#""Event/*""#, EVENT_2, Accepted);
    row(r#""event/*""#, EVENT, Accepted);
    row(r#""Event/?.0""#, EVENT_2, Accepted);
    row(r#""*/1.0""#, AUDIT, Accepted);
    row(r#""*/1.0""#, EVENT_2, Forbidden);
    row(r#""Order/* Event/1.*""#, EVENT, Accepted);
    row(r#""Order/* Event/1.*""#, AUDIT, Forbidden);
    row(r#"["Order/*","Event/1.*"]"#, EVENT, Accepted);
    row(r#"["Order/*","Event/1.*"]"#, EVENT_2, Forbidden);
    for globs in [
        r#""""#,
        r#"" ""#,
        "[]",
        r#"[""]"#,
        r#""Event""#,
        r#""Event/""#,
        r#""/ingest/Event/1.0""#,
        r#""Event/1.0/""#,
        r#""vent/1.0""#,
        r#""Event/1.""#,
        r#""Event/1..""#,
        r#""Event/1.0\u0000""#,
        r#""[E]vent/1.0""#,
        r#""Event/1\\.0""#,
        r#"".*""#,
        r#""Event%2F1.0""#,
        r#""Event/1.0,Order/1.0""#,
        r#""!Order/1.0""#,
        r#""{Event,Order}/1.0""#,
        r#""%""#,
        r#""Event/1.0?""#,
    ] {
        row(globs, EVENT, Forbidden);
    }
    let slow = format!("\"{}b\"", "*a".repeat(2_000));
    row(&slow, EVENT, Forbidden);
    let token = full().without_claim("may_send").token();
    cases.token("no may_send", token, Forbidden);
    let scoped = full().claim("may_send", r#""Order/*""#).token();
    cases.token_at(
        "/ingest/Nothing/1.0",
        "a scope and no such route",
        scoped,
        Status(404),
    );
}

fn scope_of_a_wrong_type(cases: &mut Cases) {
    for globs in [
        "null",
        "true",
        "1",
        r#"{"*":true}"#,
        r#"["*",1]"#,
        r#"[["*"]]"#,
        "[null]",
    ] {
        let jwt = full().claim("may_send", globs);
        cases.jwt(
            &format!("may_send of a wrong type: {globs}"),
            &jwt,
            NotAllowed,
        );
    }
    let twice = full()
        .claim("may_send", r#""Order/*""#)
        .also_claim(r#""may_send""#, r#""*""#);
    cases.jwt("may_send twice", &twice, Denied);
    // Another issuer's configuration does not ask for it.
    cases.jwt(
        "may_send of another issuer",
        &HS.jwt().claim("may_send", "[]"),
        Accepted,
    );
}
