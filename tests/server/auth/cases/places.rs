//! Credentials where they do not belong: other fields, trailers, bodies, queries; and as large as a
//! head can be.

use crate::auth::{
    EVENT,
    case::{
        Cases,
        Expected::{Accepted, Denied, NoCredential, Open, Refused, Status, Unauthorized},
        bearer, record,
    },
    issuers::{ApiKey, ES, HS, SHA},
    token::Jwt,
};

pub(crate) fn add(cases: &mut Cases) {
    let good = HS.jwt().token();
    other_fields(cases, &good);
    trailers(cases, &good);
    queries(cases, &good);
    sizes(cases);
}

fn other_fields(cases: &mut Cases, good: &str) {
    cases.lines("no field", "", NoCredential);
    let key = ApiKey::sha256(SHA).token;
    for (name, line) in [
        (
            "Proxy-Authorization",
            format!("Proxy-Authorization: Bearer {good}"),
        ),
        ("X-Authorization", format!("X-Authorization: Bearer {good}")),
        ("Authorisation", format!("Authorisation: Bearer {good}")),
        ("Authorization_", format!("Authorization_: Bearer {good}")),
        ("X-API-Key", format!("X-API-Key: {key}")),
        ("Api-Key", format!("Api-Key: {key}")),
        ("X-Auth-Token", format!("X-Auth-Token: {key}")),
        (
            "X-Forwarded-Access-Token",
            format!("X-Forwarded-Access-Token: {good}"),
        ),
        ("X-Forwarded-User", "X-Forwarded-User: root".to_owned()),
        ("X-Forwarded-For", "X-Forwarded-For: 127.0.0.1".to_owned()),
        (
            "Cookie",
            format!("Cookie: access_token={good}; Authorization=Bearer {good}"),
        ),
        (
            "Connection names it",
            "Connection: Authorization".to_owned(),
        ),
    ] {
        cases.lines(
            &format!("another field: {name}"),
            line + "\r\n",
            NoCredential,
        );
    }
    let form = format!("access_token={good}");
    let typed = "Content-Type: application/x-www-form-urlencoded\r\n";
    let request = crate::auth::case::post(EVENT, typed.as_bytes(), form.as_bytes());
    cases.request("access_token in the body", request, NoCredential);
    let dropped = [bearer(good), b"Connection: Authorization\r\n".to_vec()].concat();
    cases.lines("a field that Connection names", dropped, Open);
}

/// Whatever a trailer says is no part of the head (RFC 9110 section 6.5.1).
fn trailers(cases: &mut Cases, good: &str) {
    let mut trailer = |name: &str, lines: &[u8], trailer: &[u8], expected| {
        let body = record(name);
        let head =
            format!("POST {EVENT} HTTP/1.1\r\nHost: ringest\r\nTransfer-Encoding: chunked\r\n");
        let chunk = format!("\r\n{:x}\r\n", body.len());
        let request = [
            head.as_bytes(),
            lines,
            chunk.as_bytes(),
            &body,
            b"\r\n0\r\n",
            trailer,
            b"\r\n",
        ];
        cases.request(name, request.concat(), expected);
    };
    let good = bearer(good);
    trailer("in a trailer", b"", &good, NoCredential);
    trailer(
        "in a trailer that is announced",
        b"Trailer: Authorization\r\n",
        &good,
        NoCredential,
    );
    trailer(
        "in a trailer, a bad one in the head",
        &bearer("x.y.z"),
        &good,
        Denied,
    );
    trailer("in the head, chunks follow", &good, b"", Accepted);
}

/// RFC 6750 section 2.3, which RFC 9700 section 2.4 forbids.
fn queries(cases: &mut Cases, good: &str) {
    let line = bearer(good);
    for query in [
        format!("access_token={good}"),
        format!("a=b&access_token={good}"),
        format!("access_token={good}&a=b"),
        "access_token=x.y.z".to_owned(),
        format!("access_token={good}&access_token={good}"),
    ] {
        let path = format!("{EVENT}?{query}");
        let short = query.replace(good, "GOOD");
        cases.lines_at(&path, &format!("in the query: {short}"), b"", Unauthorized);
        let name = format!("in the query: {short}, and in the head");
        cases.lines_at(&path, &name, &line, Unauthorized);
        let name = format!("in the query: {short}, and a bad one in the head");
        cases.lines_at(&path, &name, &bearer("x.y.z"), Denied);
    }
    for query in [
        "access_token",
        "access_token=",
        "Access_Token=x",
        "access%5Ftoken=x",
    ] {
        let path = format!("{EVENT}?{query}");
        cases.lines_at(
            &path,
            &format!("in the query: {query}, and in the head"),
            &line,
            Open,
        );
        cases.lines_at(&path, &format!("in the query: {query}"), b"", Unauthorized);
    }
    for query in [
        "",
        "a=b",
        "xaccess_token=x",
        "access_tokens=x",
        "token=x",
        "a=access_token=x",
    ] {
        let path = format!("{EVENT}?{query}");
        cases.lines_at(
            &path,
            &format!("a query without a token: {query}"),
            &line,
            Accepted,
        );
    }
    let userinfo = format!("http://bearer:{good}@ringest{EVENT}");
    cases.lines_at(&userinfo, "in the authority of the target", b"", Refused);
}

/// Up to `limits.head_bytes_max`, which is 16,384 by default.
fn sizes(cases: &mut Cases) {
    let padded = |jwt: Jwt, length: usize| jwt.claim("x", &format!("\"{}\"", "x".repeat(length)));
    cases.jwt("a good token of 2 kB", &padded(ES.jwt(), 1_300), Accepted);
    cases.jwt("a good token of 6 kB", &padded(ES.jwt(), 4_200), Accepted);
    cases.jwt("a good token of 15 kB", &padded(ES.jwt(), 11_000), Open);
    cases.jwt(
        "a good token that makes the head too large",
        &padded(ES.jwt(), 13_000),
        Status(431),
    );
    for length in [1, 2, 3, 16, 1_000, 15_000] {
        cases.token(&format!("{length} letters"), "A".repeat(length), Denied);
    }
    cases.token("17,000 letters", "A".repeat(17_000), Status(431));
    cases.token(
        "15,000 letters in three parts",
        ["A".repeat(5_000).as_str(); 3].join("."),
        Denied,
    );
    cases.token("15,000 letters é", "é".repeat(7_500), Unauthorized);
}
