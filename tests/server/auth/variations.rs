//! Variations of a cached token: one character changed, added or removed.

use super::{
    Rig, ask, empty,
    issuers::{ApiKey, ED, ES, HS, MOOSE, PB, RS, SHA},
    table::same,
};
use crate::support::{
    http::{Answer, Http},
    ringest::Ringest,
};

/// What a token may be made of, by RFC 6750 section 2.1, as far as a character can be taken for another.
const OTHERS: &[u8] = b"A-_.~+/=";

#[test]
fn variations_of_a_cached_token_are_rejected() {
    let rig = Rig::start();
    let mut http = rig.ringest.connect();
    let denied = ask(&rig.ringest, &mut http, &empty("x.y.z"));
    for (name, token) in [
        ("RS256", RS.jwt().token()),
        ("ES256", ES.jwt().token()),
        ("EdDSA", ED.jwt().token()),
        ("HS256", HS.jwt().token()),
        ("sha256", ApiKey::sha256(SHA).token),
        ("PBKDF2", ApiKey::pbkdf2(PB).token),
        ("Moose's", ApiKey::pbkdf2(MOOSE).token),
    ] {
        let mut misses: Vec<String> = Vec::new();
        for (place, character) in token.char_indices() {
            for other in [changed(character), switched(character)] {
                let mut miss = token.clone();
                miss.replace_range(place..=place, &other.to_string());
                misses.push(miss);
            }
        }
        misses.extend(
            (1..token.len())
                .step_by(3)
                .map(|end| token[..end].to_owned()),
        );
        misses.extend(
            (1..token.len())
                .step_by(5)
                .map(|start| token[start..].to_owned()),
        );
        for other in OTHERS {
            let other = char::from(*other);
            misses.push(format!("{token}{other}"));
            misses.push(format!("{other}{token}"));
        }
        misses.retain(|it| *it != token);
        refuses(&rig.ringest, &mut http, name, &token, &misses, &denied);
    }
}

/// Sends each variation, alternating with the valid token.
fn refuses(
    ringest: &Ringest,
    http: &mut Http,
    name: &str,
    token: &str,
    misses: &[String],
    denied: &Answer,
) {
    let good = empty(token);
    for (n, miss) in misses.iter().enumerate() {
        if n % 8 == 0 {
            let answer = ask(ringest, http, &good);
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        }
        let answer = ask(ringest, http, &empty(miss));
        assert!(
            same(&answer, denied),
            "{name}: {miss}, not {token}: {answer:?}"
        );
    }
    assert_eq!(ask(ringest, http, &good).status, 200, "{name}");
}

/// Another character of base64url.
fn changed(character: char) -> char {
    match character {
        'z' | 'Z' | '9' => '0',
        '-' => '_',
        '_' | '.' => '-',
        other => char::from_u32(u32::from(other) + 1).expect("it is ASCII"),
    }
}

/// The same letter in the other case.
fn switched(character: char) -> char {
    if character.is_ascii_lowercase() {
        character.to_ascii_uppercase()
    } else {
        character.to_ascii_lowercase()
    }
}
