//! `kid`, and the headers by which a token names keys of its own.

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied, Open},
    },
    issuers::{ED, ES, ES384, HS, Issuer, RS, SET_A, SET_B, SET_RS},
    keys::{P256_1, P256_2, RSA_1, RSA_2, RSA_2_CERTIFICATE_PEM, Signer, p256_jwk, rsa_jwk},
};

/// Of a server that nobody may ask; the same length whatever its port.
pub(crate) fn add(cases: &mut Cases) {
    kid_in_a_set(cases);
    kid_beside_one_key(cases);
    keys_of_its_own(cases);
}

fn kid_in_a_set(cases: &mut Cases) {
    let fitting = SET_RS.jwt().without_header("kid");
    cases.jwt("no kid, one key fits", &fitting, Accepted);
    let several = SET_A.jwt().without_header("kid");
    cases.jwt("no kid, two keys fit, the first is right", &several, Denied);
    let several = SET_B.jwt().without_header("kid");
    cases.jwt(
        "no kid, two keys fit, the second is right",
        &several,
        Denied,
    );
    let escaped = SET_A.jwt().header("kid", r#""\u0065c-\u0061""#);
    cases.jwt("kid written with escapes", &escaped, Accepted);
    let escaped = SET_A
        .jwt()
        .without_header("kid")
        .also_header(r#""\u006bid""#, r#""ec-a""#);
    cases.jwt("the name kid written with an escape", &escaped, Accepted);

    let long = format!("\"{}\"", "k".repeat(4_000));
    let kids = [
        ("unknown", r#""ec-c""#),
        ("empty", r#""""#),
        ("a blank", r#"" ""#),
        ("another key's", r#""ec-b""#),
        ("that of a key of another type", r#""rsa-a""#),
        ("another issuer's, of the same key", r#""es-1""#),
        ("that of a key which was left out", r#""rsa-enc""#),
        ("in another case", r#""EC-A""#),
        ("a prefix", r#""ec-""#),
        ("with a blank behind", r#""ec-a ""#),
        ("with NUL behind", r#""ec-a\u0000""#),
        ("NUL", r#""\u0000""#),
        ("an index", r#""0""#),
        ("a path", r#""../../../../dev/null""#),
        ("an absolute path", r#""/etc/passwd""#),
        ("a path to the key", r#""./es.json""#),
        ("SQL", r#""ec-a' OR '1'='1""#),
        ("SQL that answers a key", r#""x' UNION SELECT 'AAAA';--""#),
        ("a shell's", r#""$(touch pwned)`id`|id""#),
        ("a template's", r#""{{7*7}}${jndi:ldap://127.0.0.1/x}""#),
        ("a URL", r#""https://set.test/ec-a""#),
        ("a glob", r#""*""#),
        ("a regular expression", r#"".*""#),
        ("long", long.as_str()),
        ("a line in a log", r#""x\nINJECTED \u001b[31mred""#),
        ("a number", "0"),
        ("null", "null"),
        ("true", "true"),
        ("an array", r#"["ec-a"]"#),
        ("an object", r#"{"kid":"ec-a"}"#),
    ];
    for (name, kid) in kids {
        let jwt = SET_A.jwt().header("kid", kid);
        cases.jwt(&format!("kid: {name}"), &jwt, Denied);
    }
    let twice = SET_A.jwt().also_header(r#""kid""#, r#""ec-a""#);
    cases.jwt("kid twice, the same", &twice, Denied);
    let twice = SET_A.jwt().also_header(r#""kid""#, r#""ec-b""#);
    cases.jwt("kid twice, the first is right", &twice, Denied);
    let twice = SET_B
        .jwt()
        .header("kid", r#""ec-a""#)
        .also_header(r#""kid""#, r#""ec-b""#);
    cases.jwt("kid twice, the second is right", &twice, Denied);
    let wrong_key = SET_A.jwt().signed_by(Signer::other_es256());
    cases.jwt("signed by the key of another kid", &wrong_key, Denied);
}

/// A PEM and a secret have no name, so that a `kid` chooses nothing: many issuers send one.
fn kid_beside_one_key(cases: &mut Cases) {
    for (name, issuer) in [
        ("RS256", RS),
        ("ES384", ES384),
        ("EdDSA", ED),
        ("HS256", HS),
    ] {
        let jwt = issuer.jwt().header("kid", r#""2026-11""#);
        cases.jwt(
            &format!("a kid for the only key, which has no name: {name}"),
            &jwt,
            Accepted,
        );
    }
    let path = RS
        .jwt()
        .header("kid", r#""../../../../dev/null""#)
        .signed_by(Signer::hs256(b""));
    let path = path.header("alg", r#""HS256""#);
    cases.jwt(
        "a kid that is an empty file, keyed by nothing",
        &path,
        Denied,
    );
    let number = RS.jwt().header("kid", "7");
    cases.jwt("a kid of a wrong type for the only key", &number, Denied);
    let absent = ES.jwt().without_header("kid");
    cases.jwt("no kid for a set of one", &absent, Accepted);
    let unknown = ES.jwt().header("kid", r#""es-2""#);
    cases.jwt("an unknown kid for a set of one", &unknown, Denied);
}

/// RFC 7515 sections 4.1.2 to 4.1.8: neither followed nor trusted, and no fault of a good token.
fn keys_of_its_own(cases: &mut Cases) {
    let certificate: String = RSA_2_CERTIFICATE_PEM
        .lines()
        .filter(|it| !it.starts_with('-'))
        .collect();
    let foreign = rsa_jwk(&RSA_2, r#","kid":"mine""#);
    let foreign_set = format!(r#"{{"keys":[{foreign}]}}"#);
    let headers = [
        ("jwk", foreign.clone()),
        ("jku", r#""http://127.0.0.1:9/keys.json""#.to_owned()),
        ("x5u", r#""http://127.0.0.1:9/certificate.pem""#.to_owned()),
        ("x5c", format!("[{certificate:?}]")),
        ("x5t", r#""Zm9yIHgwNXQgYSBoYXNoIQ""#.to_owned()),
        (
            "x5t#S256",
            r#""Zm9yIHgwNXQjUzI1NiBhIGhhc2ggb2YgMzIgYnl0ZXM""#.to_owned(),
        ),
        ("key", format!("{foreign_set:?}")),
    ];
    for (name, value) in headers {
        let good = RS.jwt().header(name, &value);
        cases.jwt(&format!("{name} in a good token"), &good, Accepted);
        let forged = good.clone().signed_by(Signer::other_rs256());
        cases.jwt(
            &format!("{name} names the key of a forged token"),
            &forged,
            Denied,
        );
        let forged = SET_A.jwt().header(name, &value).header("alg", r#""RS256""#);
        let forged = forged
            .header("kid", r#""mine""#)
            .signed_by(Signer::other_rs256());
        cases.jwt(
            &format!("{name} and kid name the key of a forged token"),
            &forged,
            Denied,
        );
    }
    let ec = ES
        .jwt()
        .header("jwk", &p256_jwk(&P256_2, ""))
        .signed_by(Signer::other_es256());
    cases.jwt("jwk on P-256 of a forged token", &ec, Denied);
    let kid = ES
        .jwt()
        .header("jwk", &p256_jwk(&P256_2, r#","kid":"es-1""#));
    let kid = kid.signed_by(Signer::other_es256());
    cases.jwt(
        "jwk of a forged token with the kid of the right key",
        &kid,
        Denied,
    );
    let oct = r#"{"kty":"oct","k":"AAAA"}"#;
    let oct = HS
        .jwt()
        .header("jwk", oct)
        .signed_by(Signer::hs256(&[0, 0, 0]));
    cases.jwt("jwk is a secret", &oct, Denied);
    let good = ES
        .jwt()
        .header("jwk", &p256_jwk(&P256_1, r#","kid":"es-1""#));
    cases.jwt("jwk is the right key", &good, Accepted);
    let good = RS.jwt().header("jwk", &rsa_jwk(&RSA_1, ""));
    cases.jwt("jwk is the right key, RSA", &good, Accepted);
    for (name, value) in [
        ("jwk", "7"),
        ("jku", "[1]"),
        ("x5u", "{}"),
        ("x5c", "null"),
        ("x5t", "0"),
    ] {
        let jwt = RS.jwt().header(name, value);
        cases.jwt(&format!("{name} of a wrong type"), &jwt, Open);
    }
    by_its_issuer(cases, &RS, "https://rs.test.evil.test");
    by_its_issuer(cases, &ES, "http://es.test");
}

/// An issuer that is not known brings its keys along.
fn by_its_issuer(cases: &mut Cases, issuer: &Issuer, iss: &str) {
    let jwt = issuer.jwt().claim("iss", &format!("{iss:?}"));
    let jwt = jwt.header("jku", &format!("\"{iss}/.well-known/jwks.json\""));
    cases.jwt(&format!("jku of the issuer {iss}"), &jwt, Denied);
}
