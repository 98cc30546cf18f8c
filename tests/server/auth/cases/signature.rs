//! Signatures that are not quite one: changed, cut, extended, of another token; other spellings of
//! the same numbers.

use num_bigint::BigUint;
use ring::rsa::PublicKeyComponents;

use crate::auth::{
    case::{
        Cases,
        Expected::{Accepted, Denied},
    },
    issuers::{ED, ES, ES384, HS, Issuer, PS, RS, SET_RS},
    keys::{OTHER_SECRET, RSA_1, SECRET, Signer},
    token::{base64, from_base64, parts},
};

/// The order of P-256 (FIPS 186-4, D.1.2.3), of P-384 (D.1.2.4), and that of Ed25519 (RFC 8032
/// section 5.1) in its own byte order, the least significant first.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384_ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf\
                          581a0db248b0a77aecec196accc52973";
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

pub(crate) fn add(cases: &mut Cases) {
    let issuers = [RS, PS, ES, ES384, ED, HS];
    for issuer in &issuers {
        damaged(cases, issuer);
    }
    exchanged(cases);
    ecdsa(cases, &ES, P256_ORDER);
    ecdsa(cases, &ES384, P384_ORDER);
    rsa(cases);
    ed25519(cases);
    hmac(cases);
}

fn damaged(cases: &mut Cases, issuer: &Issuer) {
    let of = issuer.algorithm;
    let mut row = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let token = issuer.jwt().token_resigned(change);
        cases.token(&format!("{of}: {name}"), token, Denied);
    };
    row("no signature", &|_| Vec::new());
    row("one byte", &|it| it[..1].to_vec());
    row("half of it", &|it| it[..it.len() / 2].to_vec());
    row("the last byte missing", &|it| it[..it.len() - 1].to_vec());
    row("the first byte missing", &|it| it[1..].to_vec());
    row("a zero byte behind", &|it| [it.as_slice(), &[0]].concat());
    row("a zero byte in front", &|it| [&[0], it.as_slice()].concat());
    row("itself behind", &|it| it.repeat(2));
    row("backwards", &|it| it.into_iter().rev().collect());
    row("zeros", &|it| vec![0; it.len()]);
    row("ones", &|it| vec![0xff; it.len()]);
    for eighth in 0..8 {
        row(
            &format!("a bit flipped in its eighth {eighth}"),
            &move |mut it| {
                let place = it.len() * eighth / 8;
                it[place] ^= 1 << eighth;
                it
            },
        );
    }
    row("the last bit flipped", &|mut it| {
        *it.last_mut().expect("not empty") ^= 1;
        it
    });
}

/// Parts of two good tokens.
fn exchanged(cases: &mut Cases) {
    for (name, issuer) in [("RS256", RS), ("ES256", ES), ("EdDSA", ED), ("HS256", HS)] {
        let [header, claims, signature] = parts(&issuer.jwt().token());
        let [_, other_claims, other_signature] = parts(&issuer.jwt().token());
        let mut row = |what: &str, token: String| {
            cases.token(&format!("{name}: {what}"), token, Denied);
        };
        row(
            "another token's claims",
            format!("{header}.{other_claims}.{signature}"),
        );
        row(
            "another token's signature",
            format!("{header}.{claims}.{other_signature}"),
        );
        row(
            "header and claims exchanged",
            format!("{claims}.{header}.{signature}"),
        );
        row(
            "claims and signature exchanged",
            format!("{header}.{signature}.{claims}"),
        );
        row(
            "the claims for the signature",
            format!("{header}.{claims}.{claims}"),
        );
        row("the signature of the claims alone", {
            let signature = (issuer.signer)().sign(claims.as_bytes());
            format!("{header}.{claims}.{}", base64(signature))
        });
        row("the signature of the decoded parts", {
            let decoded = [from_base64(&header), from_base64(&claims)].join(&b'.');
            format!(
                "{header}.{claims}.{}",
                base64((issuer.signer)().sign(&decoded))
            )
        });
        row("changed claims", {
            let changed = String::from_utf8(from_base64(&claims)).expect("it is text");
            let changed = changed.replace("somebody", "some0ne-");
            format!("{header}.{}.{signature}", base64(changed))
        });
    }
    let [_, _, signature] = parts(&PS.jwt().token());
    let [header, claims, _] = parts(&RS.jwt().token());
    cases.token(
        "RS256 with a signature by PS256",
        format!("{header}.{claims}.{signature}"),
        Denied,
    );
    let foreign = [
        ("RS256", RS.jwt().signed_by(Signer::other_rs256())),
        ("PS256", PS.jwt().signed_by(Signer::other_ps256())),
        ("ES256", ES.jwt().signed_by(Signer::other_es256())),
        ("HS256", HS.jwt().signed_by(Signer::hs256(OTHER_SECRET))),
        ("RS256 of a set", SET_RS.jwt().signed_by(Signer::rs256())),
    ];
    for (name, jwt) in foreign {
        cases.jwt(&format!("{name}: another's key"), &jwt, Denied);
    }
}

/// RFC 7518 section 3.4: r and s, each as long as the order.
fn ecdsa(cases: &mut Cases, issuer: &Issuer, order: &str) {
    let order = number(order);
    let length = order.to_bytes_be().len();
    let padded = |number: &BigUint, length: usize| {
        let bytes = number.to_bytes_be();
        [vec![0; length - bytes.len()], bytes].concat()
    };
    let pair = |r: &BigUint, s: &BigUint| [padded(r, length), padded(s, length)].concat();
    let split = |signature: &[u8]| {
        let (r, s) = signature.split_at(length);
        (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s))
    };
    let (zero, one) = (BigUint::ZERO, BigUint::from(1_u8));
    let largest = (&one << (8 * length)) - &one;
    let of = issuer.algorithm;

    let mut row = |name: &str, r: &BigUint, s: &BigUint| {
        let token = issuer.jwt().token_resigned(|_| pair(r, s));
        cases.token(&format!("{of}: {name}"), token, Denied);
    };
    row("r = s = 0", &zero, &zero); // CVE-2022-21449
    row("r = 0, s = 1", &zero, &one);
    row("r = 1, s = 0", &one, &zero);
    row("r = s = 1", &one, &one);
    row("r = s = n", &order, &order);
    row("r = n, s = 1", &order, &one);
    row("r = 1, s = n", &one, &order);
    row("r = s = n - 1", &(&order - &one), &(&order - &one));
    row("r and s as large as can be", &largest, &largest);

    let jwt = issuer.jwt();
    let der = jwt.token_resigned(|it| {
        let (r, s) = split(&it);
        let pair = [der_integer(&r), der_integer(&s)].concat();
        [
            &[0x30, u8::try_from(pair.len()).expect("short")],
            pair.as_slice(),
        ]
        .concat()
    });
    cases.token(&format!("{of}: in DER"), der, Denied);
    let wider = jwt.token_resigned(|it| {
        let (r, s) = split(&it);
        [padded(&r, length + 1), padded(&s, length + 1)].concat()
    });
    cases.token(&format!("{of}: r and s a byte longer"), wider, Denied);
    let exchanged = jwt.token_resigned(|it| {
        let (r, s) = split(&it);
        pair(&s, &r)
    });
    cases.token(&format!("{of}: r and s exchanged"), exchanged, Denied);

    // A second signature that anybody can make from the first. FIPS 186-4 section 6.4 and RFC 7518
    // section 3.4 take both, and nothing forbids it: the token says the same. It is another text,
    // so that whatever is remembered of the first must not decide about the second.
    let token = jwt.token();
    cases.token(&format!("{of}: (r, s)"), &token, Accepted);
    let twin = |token: &str| {
        let [header, claims, signature] = parts(token);
        let (r, s) = split(&from_base64(&signature));
        format!("{header}.{claims}.{}", base64(pair(&r, &(&order - &s))))
    };
    cases.token(&format!("{of}: (r, n - s)"), twin(&token), Accepted);
    let bad = jwt.clone().claim("aud", r#""other""#).token();
    cases.token(
        &format!("{of}: (r, n - s) of a bad token"),
        twin(&bad),
        Denied,
    );
    let beyond = parts(&token);
    let (r, s) = split(&from_base64(&beyond[2]));
    for (name, r, s) in [
        ("r + n", &r + &order, s.clone()),
        ("s + n", r.clone(), &s + &order),
    ] {
        if r <= largest && s <= largest {
            let token = format!("{}.{}.{}", beyond[0], beyond[1], base64(pair(&r, &s)));
            cases.token(&format!("{of}: {name}"), token, Denied);
        }
    }
}

fn der_integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes[0] >= 0x80 {
        bytes.insert(0, 0);
    }
    [
        &[2, u8::try_from(bytes.len()).expect("short")],
        bytes.as_slice(),
    ]
    .concat()
}

/// RFC 8017 section 8.2.2: as long as the modulus, and smaller than it.
fn rsa(cases: &mut Cases) {
    let n = PublicKeyComponents::<Vec<u8>>::from(RSA_1.public()).n;
    let n = BigUint::from_bytes_be(&n);
    // One whose signature is small enough for n more.
    let larger = (0..1_000).find_map(|_| {
        let [header, claims, signature] = parts(&RS.jwt().token());
        let larger = BigUint::from_bytes_be(&from_base64(&signature)) + &n;
        let fits = larger.bits() <= 2_048;
        fits.then(|| format!("{header}.{claims}.{}", base64(larger.to_bytes_be())))
    });
    // With a modulus close to 2^2048 there is hardly any.
    if let Some(larger) = larger {
        cases.token("RS256: s + n", larger, Denied);
    }
    for (name, s) in [
        ("1", BigUint::from(1_u8)),
        ("n - 1", &n - 1_u8),
        ("n", n.clone()),
    ] {
        let bytes = s.to_bytes_be();
        let bytes = [vec![0; 256 - bytes.len()], bytes].concat();
        let token = RS.jwt().token_resigned(|_| bytes.clone());
        cases.token(&format!("RS256: s = {name}"), token, Denied);
        let token = PS.jwt().token_resigned(|_| bytes);
        cases.token(&format!("PS256: s = {name}"), token, Denied);
    }
    let complement = RS
        .jwt()
        .token_resigned(|it| (&n - BigUint::from_bytes_be(&it)).to_bytes_be());
    cases.token("RS256: n - s", complement, Denied);
}

/// RFC 8032 section 5.1.7: S is below the order.
fn ed25519(cases: &mut Cases) {
    let order = number(ED25519_ORDER);
    let larger = ED.jwt().token_resigned(|it| {
        let s = BigUint::from_bytes_le(&it[32..]) + &order;
        let mut s = s.to_bytes_le();
        s.resize(32, 0);
        [&it[..32], &s].concat()
    });
    cases.token("EdDSA: S + L", larger, Denied);
    let neutral = [&[1][..], &[0; 63]].concat();
    let token = ED.jwt().token_resigned(|_| neutral.clone());
    cases.token("EdDSA: the neutral point, S = 0", token, Denied);
    let exchanged = ED
        .jwt()
        .token_resigned(|it| [&it[32..], &it[..32]].concat());
    cases.token("EdDSA: R and S exchanged", exchanged, Denied);
}

fn hmac(cases: &mut Cases) {
    let truncated = HS.jwt().token_resigned(|it| it[..16].to_vec());
    cases.token("HS256: 128 bits", truncated, Denied);
    for (name, secret) in [
        (
            "the secret with the file's line end",
            [SECRET, b"\n"].concat(),
        ),
        (
            "the secret without its last byte",
            SECRET[..SECRET.len() - 1].to_vec(),
        ),
        ("the secret in base64url", base64(SECRET).into_bytes()),
        ("no secret", Vec::new()),
        ("a secret of zeros", vec![0; 32]),
        ("a word", b"secret".to_vec()),
        ("the file's name", b"hs.secret".to_vec()),
    ] {
        let jwt = HS.jwt().signed_by(Signer::hs256(&secret));
        cases.jwt(&format!("HS256: {name}"), &jwt, Denied);
    }
}

fn number(hexadecimal: &str) -> BigUint {
    BigUint::parse_bytes(hexadecimal.as_bytes(), 16).expect("hexadecimal digits")
}
