//! What the bearer of an authentic credential learns about it (RFC 6750 section 3), and nobody else.

use super::{
    Rig, ask, empty,
    issuers::{ApiKey, ED, ES, ES384, HS, Issuer, PB_EXPIRED, RS, SHA_EXPIRED, full},
    keys::{OTHER_SECRET, SECRET, Signer},
    table::same,
    token::{Jwt, now},
};
use crate::support::http::Answer;

/// The member of a body, and the parameter of the challenge.
const NAME: &str = "error_description";

/// The answer without the description, if it has one; challenge and body have the same.
#[track_caller]
pub(super) fn described(answer: &Answer) -> (Answer, Option<String>) {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let parameter = challenge.split_once(&format!(", {NAME}=\""));
    let parameter = parameter.map(|(_, rest)| rest.trim_end_matches('"').to_owned());
    let member = |text: &str| format!(r#""{NAME}":"{text}","#);
    let mut plain = Answer {
        status: answer.status,
        headers: answer.headers.clone(),
        body: answer.body.clone(),
    };
    let Some(text) = parameter else {
        return (plain, None);
    };
    let body = String::from_utf8(plain.body).expect("text");
    for (name, value) in &mut plain.headers {
        if name.eq_ignore_ascii_case("www-authenticate") {
            *value = value.replace(&format!(", {NAME}=\"{text}\""), "");
        } else if name.eq_ignore_ascii_case("content-length") {
            let len: usize = value.parse().expect("a number");
            *value = (len - member(&text).len()).to_string();
        }
    }
    if !body.is_empty() {
        assert!(body.contains(&member(&text)), "{body}");
    }
    plain.body = body.replace(&member(&text), "").into_bytes();
    (plain, Some(text))
}

/// With a claim that is wrong, and what its bearer learns.
fn wrong(jwt: &dyn Fn() -> Jwt) -> [(Jwt, &'static str); 4] {
    let (past, future) = ((now() - 100).to_string(), (now() + 1_000).to_string());
    [
        (jwt().claim("exp", &past), "The token has expired."),
        (jwt().claim("nbf", &future), "The token is not valid yet."),
        (
            jwt().claim("aud", r#""other""#),
            "The token is for another audience.",
        ),
        (
            jwt().without_claim("exp"),
            "A claim of the token is missing or malformed.",
        ),
    ]
}

/// What signs.
type Sign = fn() -> Signer;

#[test]
fn only_the_bearer_of_an_authentic_credential_learns_what_is_wrong() {
    let rig = Rig::start();
    let mut http = rig.ringest.connect();
    let mut answer = |token: &str| ask(&rig.ringest, &mut http, &empty(token));
    let denied = answer("x.y.z");
    assert_eq!(denied.json()["error"], "invalid_token");
    assert_eq!(denied.json().get(NAME), None);

    let issuers: [(&Issuer, Sign); 5] = [
        (&RS, Signer::other_rs256),
        (&ES, Signer::other_es256),
        (&ES384, Signer::es256),
        (&ED, || Signer::hs256(SECRET)),
        (&HS, || Signer::hs256(OTHER_SECRET)),
    ];
    let mut tokens = Vec::new();
    for (issuer, other) in issuers {
        for (jwt, text) in wrong(&|| issuer.jwt()) {
            let forged = jwt.clone().signed_by(other()).token();
            tokens.push((jwt.token(), Some(text)));
            tokens.push((forged, None));
        }
    }
    let lacking = full().claim("tenant", r#""other""#);
    let forged = lacking.clone().signed_by(Signer::hs256(SECRET)).token();
    let text = "The token does not have a claim that is required here.";
    tokens.push((lacking.token(), Some(text)));
    tokens.push((forged, None));
    for key in [ApiKey::sha256(SHA_EXPIRED), ApiKey::pbkdf2(PB_EXPIRED)] {
        tokens.push((key.token, Some("The API key has expired.")));
    }
    for key in [ApiKey::sha256("nobody's"), ApiKey::pbkdf2("nobody's")] {
        tokens.push((key.token, None));
    }
    // Again, when it is remembered.
    for _ in 0..3 {
        for (token, text) in &tokens {
            let answer = answer(token);
            let (plain, description) = described(&answer);
            assert_eq!(description.as_deref(), *text, "{answer:?}");
            assert!(same(&plain, &denied), "{answer:?}");
        }
    }
}

/// A token that has been accepted before, by an open connection.
#[test]
fn a_credential_that_has_expired_meanwhile_is_described() {
    let rig = Rig::start();
    let mut http = rig.ringest.connect();
    let until = now() + 3;
    let token = RS.jwt().claim("exp", &until.to_string()).token();
    assert_eq!(ask(&rig.ringest, &mut http, &empty(&token)).status, 200);
    let mut answer = ask(&rig.ringest, &mut http, &empty(&token));
    while answer.status == 200 && now() <= until + 10 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        answer = ask(&rig.ringest, &mut http, &empty(&token));
    }
    let (_, description) = described(&answer);
    assert_eq!(description.as_deref(), Some("The token has expired."));
}
