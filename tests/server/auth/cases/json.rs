//! Header and claims as texts: names that are there twice, what is no object, what is no JSON.

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, Open},
    },
    issuers::{ES, HS, RS},
    token::Jwt,
};

pub(crate) fn add(cases: &mut Cases) {
    names_twice(cases);
    for (what, change) in TEXTS {
        let jwt = HS.jwt();
        let claims = jwt.token_with_claims(change(&jwt.claims_text()));
        cases.token(&format!("claims: {what}"), claims, Denied);
        let header = jwt.token_with_header(change(&jwt.header_text()));
        cases.token(&format!("header: {what}"), header, Denied);
    }
    for (what, text) in VALUES {
        cases.token(
            &format!("the claims are {what}"),
            RS.jwt().token_with_claims(text),
            Denied,
        );
        cases.token(
            &format!("the header is {what}"),
            RS.jwt().token_with_header(text),
            Denied,
        );
    }
    spaced(cases);
    large(cases);
}

fn names_twice(cases: &mut Cases) {
    let exp = HS.jwt().claims_text();
    let exp = exp.split_once(r#""exp":"#).expect("it is there").1[..10].to_owned();
    let claims = [
        ("exp", exp.as_str()),
        ("exp", "9999999999"),
        ("nbf", "0"),
        ("iss", r#""https://hs.test""#),
        ("iss", r#""https://rs.test""#),
        ("aud", r#""ingest""#),
        ("aud", r#""other""#),
        ("sub", r#""somebody""#),
        ("sub", r#""root""#),
        ("unknown", "1"),
        ("", "1"),
    ];
    for (name, value) in claims {
        let jwt = HS.jwt();
        let first = if jwt.claims_text().contains(&format!("{name:?}:")) {
            jwt
        } else {
            jwt.claim(name, "1")
        };
        let twice = first.clone().also_claim(&format!("{name:?}"), value);
        cases.jwt(
            &format!("claim {name:?} twice, then {value}"),
            &twice,
            Denied,
        );
    }
    let escaped = HS.jwt().also_claim(r#""\u0065xp""#, "9999999999");
    cases.jwt("claim exp twice, once with an escape", &escaped, Denied);
    let past = HS
        .jwt()
        .claim("exp", "1")
        .also_claim(r#""exp""#, "9999999999");
    cases.jwt("claim exp twice, the first has passed", &past, Denied);
    let past = HS.jwt().also_claim(r#""exp""#, "1");
    cases.jwt("claim exp twice, the second has passed", &past, Denied);
    let apart = HS.jwt().claim("EXP", "1").claim("Exp", "1");
    cases.jwt(
        "names that differ in case are not the same",
        &apart,
        Accepted,
    );
    let within = HS.jwt().claim("context", r#"{"a":1,"a":2}"#);
    cases.jwt("a name twice within a claim", &within, Open);

    for (name, value) in [
        ("alg", r#""HS256""#),
        ("alg", r#""none""#),
        ("typ", r#""JWT""#),
        ("unknown", "1"),
    ] {
        let jwt = HS.jwt();
        let jwt = if name == "unknown" {
            jwt.header(name, "1")
        } else {
            jwt
        };
        let twice = jwt.also_header(&format!("{name:?}"), value);
        cases.jwt(
            &format!("header {name:?} twice, then {value}"),
            &twice,
            Denied,
        );
    }
    let first = HS
        .jwt()
        .header("alg", r#""none""#)
        .also_header(r#""alg""#, r#""HS256""#);
    cases.jwt("header alg twice, first none", &first, Denied);
    let escaped = HS.jwt().also_header(r#""\u0061lg""#, r#""none""#);
    cases.jwt("header alg twice, once with an escape", &escaped, Denied);
    let escaped = HS
        .jwt()
        .without_claim("exp")
        .also_claim(r#""\u0065\u0078\u0070""#, "9999999999");
    cases.jwt("the name exp written with escapes", &escaped, Accepted);
}

type Change = fn(&str) -> Vec<u8>;

/// What makes a JSON object something else.
const TEXTS: [(&str, Change); 20] = [
    ("a byte order mark", |it| {
        [b"\xef\xbb\xbf", it.as_bytes()].concat()
    }),
    ("UTF-16", |it| {
        it.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }),
    ("NUL behind", |it| [it.as_bytes(), b"\0"].concat()),
    ("NUL in front", |it| [b"\0", it.as_bytes()].concat()),
    ("a letter behind", |it| format!("{it}x").into()),
    ("a second object behind", |it| format!("{it}{{}}").into()),
    ("itself behind", |it| format!("{it}{it}").into()),
    ("a comment behind", |it| format!("{it}//").into()),
    ("a comment", |it| it.replacen('{', "{/**/", 1).into()),
    ("a comma in the end", |it| it.replace('}', ",}").into()),
    ("a comma in front", |it| it.replacen('{', "{,", 1).into()),
    ("the last brace missing", |it| it[..it.len() - 1].into()),
    ("single quotes", |it| it.replace('"', "'").into()),
    ("names without quotes", |it| {
        it.replace("\"alg\"", "alg")
            .replace("\"iss\"", "iss")
            .into()
    }),
    ("invalid UTF-8 in a value", |it| with_value(it, b"\"\xff\"")),
    ("a surrogate in UTF-8", |it| {
        with_value(it, b"\"\xed\xa0\x80\"")
    }),
    ("an overlong slash", |it| with_value(it, b"\"\xc0\xaf\"")),
    ("a control character in a value", |it| {
        with_value(it, b"\"\x01\"")
    }),
    ("NaN", |it| with_value(it, b"NaN")),
    ("a number with a leading zero", |it| with_value(it, b"01")),
];

/// The object with a member more, of this value.
fn with_value(object: &str, value: &[u8]) -> Vec<u8> {
    let open = &object.as_bytes()[..object.len() - 1];
    [open, b",\"x\":", value, b"}"].concat()
}

/// JSON, or nearly, but no object.
const VALUES: [(&str, &str); 9] = [
    ("an array", r#"[{"alg":"RS256","iss":"https://rs.test"}]"#),
    ("an array of pairs", r#"[["alg","RS256"]]"#),
    ("a string", r#""{}""#),
    ("a number", "1"),
    ("null", "null"),
    ("true", "true"),
    ("an empty object", "{}"),
    ("white space", "   "),
    ("a word", "alg=RS256"),
];

fn spaced(cases: &mut Cases) {
    let spaced = |text: String| text.replace(':', " :\r\n\t").replace(',', " ,\n");
    let jwt = ES.jwt().claim("iss", r#""https:\/\/es.test""#);
    cases.jwt("claims: a slash written with an escape", &jwt, Accepted);
    let jwt = ES.jwt();
    cases.token(
        "header: white space",
        jwt.token_with_header(spaced(jwt.header_text())),
        Accepted,
    );
    let outer = format!(" \r\n{}\t ", jwt.claims_text());
    cases.token(
        "claims: white space around",
        jwt.token_with_claims(outer),
        Accepted,
    );
    for (name, whole) in [
        ("claims", "é🦀"),
        ("claims with escapes", r"\u00e9\ud83e\udd80"),
    ] {
        let jwt = ES.jwt().claim("nickname", &format!("\"{whole}\""));
        cases.jwt(&format!("{name}: text beyond ASCII"), &jwt, Accepted);
    }
    let lone = ES.jwt().claim("nickname", r#""\ud800""#);
    cases.jwt("claims: an escaped lone surrogate", &lone, Open);
    let aud = ES.jwt().claim("aud", r#""\u0069ngest""#);
    cases.jwt("claims: aud written with an escape", &aud, Accepted);
}

fn large(cases: &mut Cases) {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (name, depth) in [("32", 32), ("200", 200), ("5,000", 5_000)] {
        let expected = if depth == 32 { Accepted } else { Open };
        let claim = HS.jwt().claim("deep", &deep(depth));
        cases.jwt(
            &format!("claims: {name} arrays around one another"),
            &claim,
            expected,
        );
        let header = HS.jwt().header("deep", &deep(depth));
        cases.jwt(
            &format!("header: {name} arrays around one another"),
            &header,
            expected,
        );
    }
    let open = |jwt: Jwt, name: &str| (jwt.claim("open", &"[".repeat(5_000)), name.to_owned());
    let (jwt, name) = open(HS.jwt(), "claims: 5,000 arrays that never end");
    cases.jwt(&name, &jwt, Denied);
    let objects = r#"{"a":"#.repeat(1_500) + "1" + &"}".repeat(1_500);
    let jwt = HS.jwt().claim("deep", &objects);
    cases.jwt("claims: 1,500 objects around one another", &jwt, Open);
    for number in [
        "1e999",
        "-1e999",
        "1e-999",
        "123456789012345678901234567890",
    ] {
        let jwt = HS.jwt().claim("number", number);
        cases.jwt(&format!("claims: the number {number}"), &jwt, Open);
    }
    let digits = HS.jwt().claim("number", &"9".repeat(5_000));
    cases.jwt("claims: a number of 5,000 digits", &digits, Open);
    let names = (0..400).fold(HS.jwt(), |jwt, n| jwt.claim(&format!("claim-{n}"), "0"));
    cases.jwt("claims: four hundred more", &names, Accepted);
    let long = HS
        .jwt()
        .claim("groups", &format!("\"{}\"", "g".repeat(4_000)));
    cases.jwt("claims: a text of 4,000 bytes", &long, Accepted);
}
