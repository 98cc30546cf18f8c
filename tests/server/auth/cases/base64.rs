//! base64url has one spelling (RFC 7515 section 2, RFC 4648 sections 3.5 and 5): the signature is
//! that of each other spelling, so that nothing but the spelling is wrong.

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, Unauthorized},
    },
    issuers::{ED, ES, HS, RS},
    token::{Jwt, base64, loose, parts},
};

pub(crate) fn add(cases: &mut Cases) {
    for (name, issuer) in [("RS256", RS), ("ES256", ES), ("EdDSA", ED), ("HS256", HS)] {
        bits_too_many(cases, name, &issuer.jwt());
    }
    padded(cases);
    other_alphabets(cases);
    lengths(cases);
}

fn bits_too_many(cases: &mut Cases, name: &str, jwt: &Jwt) {
    for remainder in 1..=2 {
        let header = base64(spaced_to(jwt.header_text(), remainder));
        let claims = base64(spaced_to(jwt.claims_text(), remainder));
        let loose = |text: &str| loose(text).expect("it has bits too many");
        let (loose_header, loose_claims) = (loose(&header), loose(&claims));
        let good = jwt.token_spelled(&header, &claims);
        let of = format!("{name}, {remainder} bytes over");
        cases.token(&format!("{of}: no bits added"), &good, Accepted);
        let token = jwt.token_spelled(&loose_header, &claims);
        cases.token(&format!("{of}: bits behind the header"), token, Denied);
        let token = good.replacen(&header, &loose_header, 1);
        cases.token(&format!("{of}: bits added to the header"), token, Denied);
        let token = jwt.token_spelled(&header, &loose_claims);
        cases.token(&format!("{of}: bits behind the claims"), token, Denied);
        let token = good.replacen(&claims, &loose_claims, 1);
        cases.token(&format!("{of}: bits added to the claims"), token, Denied);
        // No signature here is of a multiple of three bytes.
        let [.., signature] = parts(&good);
        let token = format!("{header}.{claims}.{}", loose(&signature));
        cases.token(&format!("{of}: bits added to the signature"), token, Denied);
    }
}

/// JSON whose length leaves this remainder by three.
fn spaced_to(text: String, remainder: usize) -> String {
    let blanks = (3 + remainder - text.len() % 3) % 3;
    text + &" ".repeat(blanks)
}

fn padded(cases: &mut Cases) {
    let jwt = HS.jwt();
    for (padding, remainder) in [("=", 2), ("==", 1), ("===", 0), ("====", 0)] {
        let header = base64(spaced_to(jwt.header_text(), remainder));
        let claims = base64(spaced_to(jwt.claims_text(), remainder));
        let token = jwt.token_spelled(&format!("{header}{padding}"), &claims);
        cases.token(&format!("header, then {padding}"), token, Denied);
        let token = jwt.token_spelled(&header, &format!("{claims}{padding}"));
        cases.token(&format!("claims, then {padding}"), token, Denied);
        let token = jwt.token_spelled(&header, &claims);
        cases.token(
            &format!("signature, then {padding}"),
            format!("{token}{padding}"),
            Denied,
        );
        cases.token(
            &format!("{padding} in front"),
            format!("{padding}{token}"),
            Unauthorized,
        );
    }
    let token = jwt.token();
    cases.token(
        "percent-encoded padding",
        format!("{token}%3D"),
        Unauthorized,
    );
}

fn other_alphabets(cases: &mut Cases) {
    // One whose parts use the two characters in which the alphabets differ.
    let (jwt, [header, claims, signature]) = (0..1_000)
        .map(|_| {
            let jwt = ES
                .jwt()
                .claim("x", r#""?>~?>~?>~""#)
                .header("x", r#""?>~?>~?>~""#);
            let parts = parts(&jwt.token());
            (jwt, parts)
        })
        .find(|(_, parts)| parts.iter().all(|it| it.contains('-') || it.contains('_')))
        .expect("most are like that");
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    let good = format!("{header}.{claims}.{signature}");
    cases.token("both alphabets differ", &good, Accepted);
    let token = jwt.token_spelled(&standard(&header), &claims);
    cases.token("the standard alphabet: header", token, Denied);
    let token = jwt.token_spelled(&header, &standard(&claims));
    cases.token("the standard alphabet: claims", token, Denied);
    let token = format!("{header}.{claims}.{}", standard(&signature));
    cases.token("the standard alphabet: signature", token, Denied);
    cases.token("the standard alphabet: all", standard(&good), Denied);

    let insert = |text: &str| {
        let middle = claims.len() / 2;
        jwt.token_spelled(
            &header,
            &format!("{}{text}{}", &claims[..middle], &claims[middle..]),
        )
    };
    for text in ["~", "+", "/"] {
        cases.token(
            &format!("within the claims: {text:?}"),
            insert(text),
            Denied,
        );
    }
    // No characters of a token (RFC 6750 section 2.1).
    for text in [
        "=", "%2D", "%", "é", "\u{200b}", "*", "\"", "\\", ",", ";", "&", "@", " ", "\t", "  ",
    ] {
        cases.token(
            &format!("within the claims: {text:?}"),
            insert(text),
            Unauthorized,
        );
    }
    for (name, byte) in [("0x80", b"\x80"), ("0xFF", b"\xff")] {
        let token = [good.as_bytes(), byte].concat();
        cases.token(&format!("behind the token: {name}"), token, Unauthorized);
    }
    cases.token(
        "percent-encoded dots",
        good.replace('.', "%2E"),
        Unauthorized,
    );
    cases.token(
        "wide letters",
        good.replacen('e', "\u{ff45}", 1),
        Unauthorized,
    );
    cases.token("in lower case", good.to_lowercase(), Denied);
    cases.token("in upper case", good.to_uppercase(), Denied);
    let hexadecimal = crate::auth::issuers::hex(&good);
    cases.token("in hexadecimal", hexadecimal, Denied);
    cases.token("in base64url once more", base64(&good), Denied);
}

/// A last group of one character is of no byte.
fn lengths(cases: &mut Cases) {
    let jwt = HS.jwt();
    let header = base64(spaced_to(jwt.header_text(), 0));
    let claims = base64(spaced_to(jwt.claims_text(), 0));
    let token = jwt.token_spelled(&format!("{header}A"), &claims);
    cases.token("a header of one character too many", token, Denied);
    let token = jwt.token_spelled(&header, &format!("{claims}A"));
    cases.token("claims of one character too many", token, Denied);
    let token = jwt.token_spelled(&header, &claims);
    cases.token(
        "a signature of characters too many",
        format!("{token}AA"),
        Denied,
    );
    cases.token("a dot behind", format!("{token}."), Denied);
    let signature = parts(&token)[2].clone();
    cases.token(
        "a signature of 8,000 characters",
        format!("{token}{}", signature.repeat(180)),
        Denied,
    );
}
