//! `alg` (RFC 7515 section 4.1.1): `none`, another one than the key's, another one than configured
//! (RFC 8725 sections 3.1 and 3.2).

use ring::signature::KeyPair as _;

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied},
    },
    issuers::{ED, ES, ES384, HS, Issuer, PS, RS, SET_A, SET_RS, full},
    keys::{
        ED25519, P256_1, RSA_1, RSA_1_PUBLIC_PEM, RSA_2_CERTIFICATE_PEM, SECRET, Signer, der,
        p256_jwk, rsa_jwk,
    },
    token::{Jwt, parts},
};

pub(crate) fn add(cases: &mut Cases) {
    for (name, token) in crate::auth::issuers::good() {
        cases.token(&format!("good: {name}"), token, Accepted);
    }
    none(cases);
    oddly_spelled(cases);
    secrets_that_are_public(cases);
    other_algorithms(cases);
}

fn none(cases: &mut Cases) {
    for (of, issuer) in [("RS256", RS), ("HS256", HS), ("ES256", ES)] {
        let good = issuer.jwt();
        let [_, _, signature] = parts(&good.token());
        for none in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            " none",
            "null",
            "",
            "nonE\\u0000",
        ] {
            let jwt = good.clone().header("alg", &format!("\"{none}\""));
            let unsigned = jwt.clone().signed_by(Signer::Nobody).token();
            let name = format!("alg {none:?} for {of}");
            cases.token(&format!("{name}, empty signature"), &unsigned, Denied);
            let name = format!("{name}, a good token's signature");
            cases.token(&name, format!("{unsigned}{signature}"), Denied);
        }
    }
    let unsigned = RS
        .jwt()
        .header("alg", r#""none""#)
        .signed_by(Signer::Nobody)
        .token();
    cases.token("alg none, any signature", format!("{unsigned}AA"), Denied);
    let two_parts = unsigned.trim_end_matches('.');
    cases.token("alg none, two parts", two_parts, Denied);
    cases.token("alg none, four parts", format!("{unsigned}."), Denied);
}

fn oddly_spelled(cases: &mut Cases) {
    let algs = [
        r#""rs256""#,
        r#""Rs256""#,
        r#""RS256 ""#,
        r#"" RS256""#,
        r#""RS256\u0000""#,
        r#""RS256,PS256""#,
        r#""RS-256""#,
        r#""RSA256""#,
        r#""RS1""#,
        r#""RS257""#,
        r#""SHA256withRSA""#,
        r#""http://www.w3.org/2001/04/xmldsig-more#rsa-sha256""#,
        r#""RSA-OAEP""#,
        r#""A128KW""#,
        r#""dir""#,
        r#"["RS256"]"#,
        r#"{"RS256":true}"#,
        "256",
        "-257",
        "null",
        "true",
    ];
    for alg in algs {
        cases.jwt(&format!("alg {alg}"), &RS.jwt().header("alg", alg), Denied);
    }
    cases.jwt("no alg", &RS.jwt().without_header("alg"), Denied);
    let escaped = RS.jwt().header("alg", r#""\u0052S256""#);
    cases.jwt("alg written with an escape", &escaped, Accepted);
    let other_name = RS.jwt().without_header("alg").header("ALG", r#""RS256""#);
    cases.jwt("ALG for alg", &other_name, Denied);
}

/// HMAC with what everybody may know: refused because of its algorithm, not by luck.
fn secrets_that_are_public(cases: &mut Cases) {
    let pem = RSA_1_PUBLIC_PEM;
    let pkcs1 = RSA_1.public_key().as_ref().to_vec();
    let jwk = rsa_jwk(&RSA_1, "");
    let ec_jwk = p256_jwk(&P256_1, r#","kid":"es-1""#);
    let one_line: String = pem.lines().filter(|it| !it.starts_with('-')).collect();
    let secrets: [(&str, &Issuer, Vec<u8>); 13] = [
        ("the PEM", &RS, pem.into()),
        (
            "the PEM without its last line end",
            &RS,
            pem.trim_end().into(),
        ),
        ("the PEM with CRLF", &RS, pem.replace('\n', "\r\n").into()),
        ("the PEM's base64 in one line", &RS, one_line.into()),
        ("the SPKI in DER", &RS, der(pem)),
        ("the PKCS#1 in DER", &RS, pkcs1),
        ("the JWK", &RS, jwk.into()),
        ("nothing", &RS, Vec::new()),
        ("a certificate", &RS, RSA_2_CERTIFICATE_PEM.into()),
        ("an EC key's JWK", &ES, ec_jwk.clone().into()),
        (
            "an EC key's point",
            &ES,
            P256_1.public_key().as_ref().to_vec(),
        ),
        ("a JWK set", &ES, format!(r#"{{"keys":[{ec_jwk}]}}"#).into()),
        (
            "an Ed25519 key's bytes",
            &ED,
            ED25519.public_key().as_ref().to_vec(),
        ),
    ];
    for (name, issuer, secret) in secrets {
        let jwt = issuer
            .jwt()
            .header("alg", r#""HS256""#)
            .signed_by(Signer::hs256(&secret));
        cases.jwt(&format!("HS256 keyed by {name}"), &jwt, Denied);
    }
    for (alg, sign) in [
        ("HS384", Signer::hs384 as fn(&[u8]) -> Signer),
        ("HS512", Signer::hs512),
    ] {
        let jwt = RS
            .jwt()
            .header("alg", &format!("{alg:?}"))
            .signed_by(sign(pem.as_bytes()));
        cases.jwt(&format!("{alg} keyed by the PEM"), &jwt, Denied);
    }
}

fn other_algorithms(cases: &mut Cases) {
    let mut row = |name: &str, jwt: Jwt, alg: &str, signer| {
        let jwt = jwt.header("alg", &format!("{alg:?}")).signed_by(signer);
        cases.jwt(name, &jwt, Denied);
    };
    row("RS384, not listed", RS.jwt(), "RS384", Signer::rs384());
    row("RS512, not listed", RS.jwt(), "RS512", Signer::rs512());
    row("PS384, not listed", RS.jwt(), "PS384", Signer::ps384());
    row(
        "PS256 where RS256 alone is listed",
        SET_RS.jwt(),
        "PS256",
        Signer::other_ps256(),
    );
    row(
        "HS384, not listed",
        HS.jwt(),
        "HS384",
        Signer::hs384(SECRET),
    );
    row(
        "HS512, not listed",
        HS.jwt(),
        "HS512",
        Signer::hs512(SECRET),
    );
    row("ES384 by an ES256 key", ES.jwt(), "ES384", Signer::es256());
    row(
        "ES384 by another issuer's ES384 key",
        ES.jwt(),
        "ES384",
        Signer::es384(),
    );
    row(
        "ES256 by an ES384 key",
        ES384.jwt(),
        "ES256",
        Signer::es384(),
    );
    row("ES256K", ES.jwt(), "ES256K", Signer::es256());
    row("ES512", ES384.jwt(), "ES512", Signer::es384());
    row(
        "EdDSA of another issuer's",
        ES.jwt(),
        "EdDSA",
        Signer::eddsa(),
    );
    row(
        "ES256 of another issuer's",
        ED.jwt(),
        "ES256",
        Signer::es256(),
    );
    row(
        "RS256 of another issuer's",
        HS.jwt(),
        "RS256",
        Signer::rs256(),
    );
    row(
        "HS256 of another issuer's",
        RS.jwt(),
        "HS256",
        Signer::hs256(SECRET),
    );
    row(
        "Ed25519 (RFC 9864), not listed",
        ED.jwt(),
        "Ed25519",
        Signer::eddsa(),
    );
    row("Ed448", ED.jwt(), "Ed448", Signer::eddsa());
    row("RS256 that says PS256", RS.jwt(), "PS256", Signer::rs256());
    row("PS256 that says RS256", PS.jwt(), "RS256", Signer::ps256());
    row("RS384 that says RS256", RS.jwt(), "RS256", Signer::rs384());
    row("PS384 that says PS256", PS.jwt(), "PS256", Signer::ps384());
    row(
        "HS512 that says HS256",
        HS.jwt(),
        "HS256",
        Signer::hs512(SECRET),
    );
    row(
        "ES256 that says RS256",
        SET_A.jwt(),
        "RS256",
        Signer::es256(),
    );
    row(
        "RS256 that says ES256",
        SET_RS.jwt(),
        "ES256",
        Signer::other_rs256(),
    );
    row("EdDSA that says ES256", ES.jwt(), "ES256", Signer::eddsa());
    row(
        "HS384 where a secret has routes",
        full(),
        "HS384",
        Signer::hs384(SECRET),
    );
}
