//! Other headers: `crit`, `b64`, `zip`, `enc`, `typ`, `cty`; other serialisations.

use serde_json::json;

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, Open},
    },
    issuers::{ED, ES, HS, RS},
    keys::Signer,
    token::{base64, parts},
};

pub(crate) fn add(cases: &mut Cases) {
    critical(cases);
    compressed_or_encrypted(cases);
    types(cases);
    serialisations(cases);
    cases.jwt(
        "a header nobody knows",
        &RS.jwt().header("x-y", r#"{"a":[1,null]}"#),
        Accepted,
    );
    let many = (0..50).fold(RS.jwt(), |jwt, n| jwt.header(&format!("x{n}"), "null"));
    cases.jwt("fifty headers nobody knows", &many, Accepted);
    let bare = RS.jwt().without_header("typ");
    cases.jwt("alg is the only header", &bare, Accepted);
}

/// RFC 7515 section 4.1.11: nothing of it is understood, so that each is refused.
fn critical(cases: &mut Cases) {
    let lists = [
        r#"["exp"]"#,
        r#"["b64"]"#,
        r#"["alg"]"#,
        r#"["kid"]"#,
        r#"["crit"]"#,
        r#"["urn:example:unknown"]"#,
        r#"["exp","exp"]"#,
        r#"[""]"#,
        "[]",
        "[null]",
        "[1]",
        "null",
        "true",
        "0",
        "{}",
        r#""""#,
        r#""exp""#,
    ];
    for crit in lists {
        let jwt = RS.jwt().header("exp", "1").header("crit", crit);
        cases.jwt(&format!("crit {crit}"), &jwt, Denied);
    }
    let escaped = RS.jwt().also_header(r#""cr\u0069t""#, r#"["exp"]"#);
    cases.jwt("crit written with an escape", &escaped, Denied);
    let twice = RS
        .jwt()
        .also_header(r#""crit""#, "[]")
        .also_header(r#""crit""#, r#"["exp"]"#);
    cases.jwt("crit twice", &twice, Denied);
    cases.jwt(
        "CRIT is not crit",
        &RS.jwt().header("CRIT", r#"["exp"]"#),
        Accepted,
    );
    let claim = RS.jwt().claim("crit", r#"["exp"]"#);
    cases.jwt("crit among the claims means nothing", &claim, Accepted);
}

fn compressed_or_encrypted(cases: &mut Cases) {
    // RFC 7797.
    cases.jwt("b64 false", &HS.jwt().header("b64", "false"), Denied);
    let declared = HS.jwt().header("b64", "false").header("crit", r#"["b64"]"#);
    cases.jwt("b64 false, in crit", &declared, Denied);
    let raw = declared.token_spelled(&base64(declared.header_text()), &declared.claims_text());
    cases.token("b64 false, claims as they are", raw, Denied);
    cases.jwt("b64 null", &HS.jwt().header("b64", "null"), Open);
    // RFC 7516 section 9: with `enc` it is a JWE.
    let enc = RS.jwt().header("enc", r#""A128GCM""#);
    cases.jwt("enc", &enc, Denied);
    let jwt = RS.jwt().header("zip", r#""DEF""#);
    cases.jwt("zip, nothing compressed", &jwt, Open);
    // A raw DEFLATE block that holds the claims as they are.
    let claims = jwt.claims_text();
    let length = u16::try_from(claims.len()).expect("short");
    let block = [
        &[1],
        &length.to_le_bytes()[..],
        &(!length).to_le_bytes(),
        claims.as_bytes(),
    ];
    let stored = jwt.token_with_claims(block.concat());
    cases.token("zip, compressed", stored, Denied);

    let header = base64(r#"{"alg":"dir","enc":"A128GCM"}"#);
    let five = format!(
        "{header}..AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA",
        base64(&claims)
    );
    cases.token("JWE, five parts", five, Denied);
    let [header, claims, signature] = parts(&RS.jwt().token());
    let five = format!("{header}.{claims}.{signature}.{claims}.{signature}");
    cases.token("five parts, three of them good", five, Denied);
    cases.token(
        "four parts, three of them good",
        format!("{header}.{claims}.{signature}."),
        Denied,
    );
    cases.token(
        "a dot before three good parts",
        format!(".{header}.{claims}.{signature}"),
        Denied,
    );
    cases.token("two parts", format!("{header}.{claims}"), Denied);
    cases.token("one part", header, Denied);
    for dots in [".", "..", "...", "....", "....."] {
        cases.token(&format!("dots alone: {dots}"), dots, Denied);
    }
    cases.token("ten thousand dots", ".".repeat(10_000), Denied);
}

/// RFC 8725 section 3.11: a token that says that it is of another kind is no access token.
fn types(cases: &mut Cases) {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        cases.jwt(
            &format!("typ {typ}"),
            &RS.jwt().header("typ", &format!("{typ:?}")),
            Accepted,
        );
    }
    for typ in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "application/secevent+jwt",
    ] {
        let jwt = RS.jwt().header("typ", &format!("{typ:?}"));
        cases.jwt(&format!("typ {typ}, which is another kind's"), &jwt, Denied);
    }
    for typ in ["JWE", "JOSE", "application/jwt", "", "x"] {
        cases.jwt(
            &format!("typ {typ:?}"),
            &RS.jwt().header("typ", &format!("{typ:?}")),
            Open,
        );
    }
    for typ in ["1", "null", r#"["JWT"]"#, "{}", "true"] {
        let jwt = RS.jwt().header("typ", typ);
        cases.jwt(&format!("typ of a wrong type: {typ}"), &jwt, Denied);
    }
    cases.jwt("cty JSON", &RS.jwt().header("cty", r#""JSON""#), Open);
    cases.jwt(
        "cty JWT around claims",
        &RS.jwt().header("cty", r#""JWT""#),
        Open,
    );
    let outer = RS.jwt().header("cty", r#""JWT""#);
    let nested = outer.token_with_claims(RS.jwt().token());
    cases.token("cty JWT around a good token", nested, Denied);
    let nested = ES.jwt().header("cty", r#""JWT""#).signed_by(Signer::Nobody);
    let nested = nested.token_with_claims(ES.jwt().token());
    cases.token("a good token in one that nobody signed", nested, Denied);
}

/// RFC 7515 sections 7.2 and 3.1: the compact serialisation is the only one (RFC 7519 section 1).
fn serialisations(cases: &mut Cases) {
    let good = ED.jwt();
    let [header, claims, signature] = parts(&good.token());
    let signed = json!({ "protected": header, "signature": signature });
    let flattened = json!({ "payload": claims, "protected": header, "signature": signature });
    let general = json!({ "payload": claims, "signatures": [signed] });
    cases.token(
        "flattened JSON serialisation",
        flattened.to_string(),
        Denied,
    );
    cases.token("general JSON serialisation", general.to_string(), Denied);
    cases.token(
        "JSON serialisation in base64url",
        base64(flattened.to_string()),
        Denied,
    );
    cases.token("detached claims", format!("{header}..{signature}"), Denied);
    cases.token("no header", format!(".{claims}.{signature}"), Denied);
    cases.token(
        "CBOR for JSON",
        good.token_with_header(b"\xa1\x63alg\x65EdDSA"),
        Denied,
    );
    let unsigned = good.clone().signed_by(Signer::Nobody).token();
    cases.token("nobody signed it", unsigned, Denied);
}
