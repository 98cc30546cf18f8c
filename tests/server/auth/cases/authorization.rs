//! The field `Authorization` (RFC 9110 sections 11.4 and 11.6.2, RFC 6750 section 2.1).

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, NoCredential, Open, Refused, Status, Unauthorized},
        bearer,
    },
    issuers::{ApiKey, HS, PB, SHA},
};

pub(crate) fn add(cases: &mut Cases) {
    let good = HS.jwt().token();
    schemes(cases, &good);
    white_space(cases, &good);
    further_parts(cases, &good);
    bytes(cases, &good);
    two_fields(cases, &good);
}

fn schemes(cases: &mut Cases, good: &str) {
    let mut row = |name: &str, value: String, expected| {
        cases.lines(name, format!("Authorization: {value}\r\n"), expected);
    };
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        row(
            &format!("scheme {scheme}"),
            format!("{scheme} {good}"),
            Accepted,
        );
        row(
            &format!("scheme {scheme}, no token"),
            scheme.to_owned(),
            Unauthorized,
        );
        row(
            &format!("scheme {scheme}, a bad token"),
            format!("{scheme} x.y.z"),
            Denied,
        );
    }
    for scheme in [
        "Basic",
        "Digest",
        "Token",
        "JWT",
        "DPoP",
        "Negotiate",
        "OAuth",
        "ApiKey",
        "MAC",
    ] {
        row(
            &format!("scheme {scheme}"),
            format!("{scheme} {good}"),
            NoCredential,
        );
    }
    row(
        "Basic, user and password",
        "Basic dXNlcjpwYXNzd29yZA==".to_owned(),
        NoCredential,
    );
    for scheme in [
        "Bear",
        "Bearer:",
        "Bearer=",
        "Bearerr",
        "XBearer",
        "\"Bearer\"",
        "Bearer,",
        "B\u{435}arer",
    ] {
        row(
            &format!("scheme {scheme}"),
            format!("{scheme} {good}"),
            Unauthorized,
        );
    }
    let long = "A".repeat(15_000);
    row(
        "a scheme of 15,000 letters",
        format!("{long} {good}"),
        NoCredential,
    );
    row("no scheme", good.to_owned(), Unauthorized);
    row("an empty field", String::new(), Unauthorized);
    row(
        "no blank behind the scheme",
        format!("Bearer{good}"),
        Unauthorized,
    );
    row(
        "the scheme twice",
        format!("Bearer Bearer {good}"),
        Unauthorized,
    );
    row(
        "another scheme in front",
        format!("Basic Bearer {good}"),
        Unauthorized,
    );
    let key = ApiKey::sha256(SHA).token;
    row(
        "an API key as a password",
        format!("Basic {}==", crate::auth::token::base64(key)),
        NoCredential,
    );
}

fn white_space(cases: &mut Cases, good: &str) {
    let mut row = |name: &str, line: String, expected| cases.lines(name, line + "\r\n", expected);
    // 1*SP, and optional white space around the field's value (RFC 9110 section 5.5).
    row(
        "two blanks behind the scheme",
        format!("Authorization: Bearer  {good}"),
        Accepted,
    );
    row(
        "ten blanks behind the scheme",
        format!("Authorization: Bearer          {good}"),
        Accepted,
    );
    row(
        "five thousand blanks behind the scheme",
        format!("Authorization: Bearer{}{good}", " ".repeat(5_000)),
        Open,
    );
    row(
        "a tab behind the scheme",
        format!("Authorization: Bearer\t{good}"),
        Unauthorized,
    );
    row(
        "a blank and a tab behind the scheme",
        format!("Authorization: Bearer \t{good}"),
        Unauthorized,
    );
    row(
        "blanks and tabs around the value",
        format!("Authorization: \t  Bearer {good} \t "),
        Accepted,
    );
    row(
        "no blank behind the colon",
        format!("Authorization:Bearer {good}"),
        Accepted,
    );
    row(
        "the field in lower case",
        format!("authorization: Bearer {good}"),
        Accepted,
    );
    row(
        "the field in upper case",
        format!("AUTHORIZATION: Bearer {good}"),
        Accepted,
    );
    row(
        "a scheme and blanks",
        "Authorization: Bearer    ".to_owned(),
        Unauthorized,
    );
    row(
        "a blank in front of the colon",
        format!("Authorization : Bearer {good}"),
        Status(400),
    );
    row(
        "a line folded",
        format!("Authorization: Bearer\r\n {good}"),
        Status(400),
    );
    row(
        "a bare LF",
        format!("Authorization: Bearer\n{good}"),
        Status(400),
    );
    row(
        "a bare CR",
        format!("Authorization: Bearer\r{good}"),
        Status(400),
    );
    row(
        "a no-break space behind the scheme",
        format!("Authorization: Bearer\u{a0}{good}"),
        Unauthorized,
    );
}

fn further_parts(cases: &mut Cases, good: &str) {
    for (name, value) in [
        ("quotes", format!("Bearer \"{good}\"")),
        ("single quotes", format!("Bearer '{good}'")),
        ("angle brackets", format!("Bearer <{good}>")),
        ("a comma behind", format!("Bearer {good},")),
        (
            "a comma and another scheme",
            format!("Bearer {good}, Basic dTpw"),
        ),
        (
            "another scheme and a comma",
            format!("Basic dTpw, Bearer {good}"),
        ),
        (
            "the token twice, a comma between",
            format!("Bearer {good},{good}"),
        ),
        (
            "the credential twice, a comma between",
            format!("Bearer {good}, Bearer {good}"),
        ),
        (
            "the token twice, a blank between",
            format!("Bearer {good} {good}"),
        ),
        ("the token and a bad one", format!("Bearer {good} x.y.z")),
        (
            "a bad token and the good one",
            format!("Bearer x.y.z {good}"),
        ),
        ("a parameter", format!("Bearer token={good}")),
        ("a quoted parameter", format!("Bearer token=\"{good}\"")),
        (
            "a parameter behind",
            format!("Bearer {good}, realm=\"ringest\""),
        ),
        ("a semicolon behind", format!("Bearer {good};")),
        (
            "a parameter access_token",
            format!("Bearer access_token={good}"),
        ),
        ("a URL's escape in front", format!("Bearer%20{good}")),
        ("a comma in front", format!(", Bearer {good}")),
    ] {
        let line = format!("Authorization: {value}\r\n");
        cases.lines(&format!("field: {name}"), line, Unauthorized);
    }
}

fn bytes(cases: &mut Cases, good: &str) {
    let mut row = |name: &str, before: &[u8], behind: &[u8], expected| {
        let line = [
            b"Authorization: Bearer ",
            before,
            good.as_bytes(),
            behind,
            b"\r\n",
        ]
        .concat();
        cases.lines(name, line, expected);
    };
    row("NUL behind the token", b"", b"\0", Refused);
    row("NUL in front of the token", b"\0", b"", Refused);
    row("DEL behind the token", b"", b"\x7f", Refused);
    row("ESC behind the token", b"", b"\x1b[0m", Refused);
    row("a vertical tab behind the token", b"", b"\x0b", Refused);
    row("Latin-1 behind the token", b"", b"\xe9", Unauthorized);
    row("UTF-8 behind the token", b"", "é".as_bytes(), Unauthorized);
    row(
        "a byte order mark in front of the token",
        b"\xef\xbb\xbf",
        b"",
        Unauthorized,
    );
    row("0xFF in front of the token", b"\xff", b"", Unauthorized);
}

fn two_fields(cases: &mut Cases, good: &str) {
    let (good_line, bad) = (bearer(good), bearer("x.y.z"));
    let key = bearer(&ApiKey::pbkdf2(PB).token);
    let rows: [(&str, &[u8], &[u8]); 9] = [
        ("good and the same", &good_line, &good_line),
        ("good and bad", &good_line, &bad),
        ("bad and good", &bad, &good_line),
        ("good and another good one", &good_line, &key),
        (
            "good and Basic",
            &good_line,
            b"Authorization: Basic dTpw\r\n",
        ),
        (
            "Basic and good",
            b"Authorization: Basic dTpw\r\n",
            &good_line,
        ),
        ("empty and good", b"Authorization:\r\n", &good_line),
        ("good and empty", &good_line, b"Authorization:\r\n"),
        (
            "good and good in another case",
            &good_line,
            &bearer_in_lower_case(good),
        ),
    ];
    for (name, first, second) in rows {
        cases.lines(
            &format!("two fields: {name}"),
            [first, second].concat(),
            Unauthorized,
        );
        let apart = [first, b"X-Between: 1\r\nAccept: */*\r\n", second].concat();
        cases.lines(
            &format!("two fields, others between: {name}"),
            apart,
            Unauthorized,
        );
    }
    cases.lines("three fields", good_line.repeat(3), Unauthorized);
}

fn bearer_in_lower_case(token: &str) -> Vec<u8> {
    format!("authorization: bearer {token}\r\n").into_bytes()
}
