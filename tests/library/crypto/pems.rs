//! PEM files, valid and invalid, and secrets.

use jsonwebtoken::Algorithm;
use ringest::auth::{AuthError, VerificationKeys};

use super::{
    ALL,
    material::{SECRET, der, file, pem, text},
};

/// The algorithms that the key of a file is used for.
fn served(file: &[u8], listed: &[Algorithm]) -> Result<Vec<Algorithm>, String> {
    let keys = VerificationKeys::from_pem(file, listed).map_err(|error| error.to_string())?;
    assert_eq!(keys.len(), 1);
    let fits = |algorithm: &Algorithm| keys.find(*algorithm, None).is_ok();
    Ok(ALL.into_iter().filter(fits).collect())
}

fn refused(what: &str, file: &[u8], listed: &[Algorithm], reason: &str) {
    match served(file, listed) {
        Ok(_) => panic!("{what}: taken"),
        Err(error) => assert!(error.contains(reason), "{what}: {error}"),
    }
}

#[test]
fn a_key_is_used_for_the_configured_algorithms_of_its_kind() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let rsa = [RS256, RS384, RS512, PS256, PS384, PS512];
    for (name, algorithms) in [
        ("rsa-2048.spki.pem", &rsa[..]),
        ("rsa-2048.pkcs1.pem", &rsa),
        ("rsa-2048.certificate.pem", &rsa),
        ("rsa-3072.spki.pem", &rsa),
        ("p256.spki.pem", &[ES256]),
        ("p256.certificate.pem", &[ES256]),
        ("p384.spki.pem", &[ES384]),
        // A configured certificate is trusted; the text around it is ignored.
        ("p384.expired-certificate-with-text.pem", &[ES384]),
        ("ed25519.spki.pem", &[EdDSA]),
        ("ed25519.certificate.pem", &[EdDSA]),
    ] {
        let file = file(name);
        assert_eq!(served(&file, &ALL).as_deref(), Ok(algorithms), "{name}");
        for algorithm in ALL {
            let served = served(&file, &[algorithm]);
            if algorithms.contains(&algorithm) {
                assert_eq!(served, Ok(vec![algorithm]), "{name}");
            } else {
                let error = served.expect_err(name);
                let lists = format!("`algorithms` lists {algorithm:?}");
                assert!(error.contains(&lists), "{name}: {error}");
            }
        }
    }
}

#[test]
fn a_single_key_matches_any_kid_but_no_other_algorithm() {
    let keys = VerificationKeys::from_pem(&file("p256.spki.pem"), &ALL).expect("a key");
    for kid in [None, Some(""), Some("any")] {
        keys.find(Algorithm::ES256, kid).expect("the only key");
        for algorithm in ALL.into_iter().filter(|it| *it != Algorithm::ES256) {
            let error = keys.find(algorithm, kid).expect_err("of another kind");
            assert_eq!(error, AuthError::KeyId);
        }
    }
}

#[test]
fn unusable_keys_are_rejected() {
    for (name, reason) in [
        ("rsa-1024.spki.pem", "1024 bits: 2,048 to 8,192 are allowed"),
        ("rsa-1024.pkcs1.pem", "1024 bits"),
        ("rsa-1024.certificate.pem", "1024 bits"),
        ("rsa-2047.spki.pem", "2047 bits"),
        ("rsa-2048-exponent-34-bits.spki.pem", "its exponent"),
        ("rsa-pss.spki.pem", "a key for RSASSA-PSS alone"),
        ("p256.compressed.spki.pem", "not in uncompressed form"),
        ("p256.explicit.spki.pem", "without a named curve"),
        ("p521.spki.pem", "an EC key on P-521"),
        ("secp256k1.spki.pem", "an EC key on secp256k1"),
        ("ed448.spki.pem", "a key for Ed448"),
        ("x25519.spki.pem", "a key for X25519"),
        (
            "p256.request.pem",
            "a PEM block of type \"CERTIFICATE REQUEST\"",
        ),
        ("rsa-2048.key", "a private key"),
        ("rsa-2048.pkcs1.key", "a private key"),
        ("rsa-2048.encrypted.key", "a private key"),
        ("p256.key", "a private key"),
        ("p256.sec1.key", "a private key"),
        ("p256.parameters-and.key", "a private key"),
        ("ed25519.key", "a private key"),
        ("jwk.json", "not a PEM file"),
    ] {
        refused(name, &file(name), &ALL, reason);
    }
}

#[test]
fn pem_variants_are_accepted() {
    for name in [
        "rsa-2048.spki.pem",
        "p256.certificate.pem",
        "rsa-2048.pkcs1.pem",
    ] {
        let text = text(name);
        let (begin, rest) = text.split_once('\n').expect("lines");
        let (body, end) = rest.rsplit_once("\n-----END").expect("an end");
        let one_line = body.replace('\n', "");
        for (what, text) in [
            ("CRLF", text.replace('\n', "\r\n")),
            ("CR", text.replace('\n', "\r")),
            ("no line end at its end", text.trim_end().to_owned()),
            ("blanks", text.replace('\n', " \t\n\n")),
            ("one line", format!("{begin}\n{one_line}\n-----END{end}")),
            (
                "text before",
                format!("Certificate: of ours\n    é\0\n{text}"),
            ),
            ("text after", format!("{text}\nthat was it")),
            ("a byte order mark", format!("\u{feff}{text}")),
        ] {
            served(text.as_bytes(), &ALL).unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
        }
    }
}

#[test]
fn a_file_has_exactly_one_key() {
    let (p256, rsa) = (text("p256.spki.pem"), text("rsa-2048.pkcs1.pem"));
    let private = text("p256.key");
    for (file, reason) in [
        (String::new(), "not a PEM file"),
        ("not a PEM\n".to_owned(), "not a PEM file"),
        (p256.clone() + &p256, "2 keys or certificates"),
        (format!("{rsa}\n{p256}{rsa}"), "3 keys or certificates"),
        (
            text("p256.certificate.pem") + &p256,
            "2 keys or certificates",
        ),
        (p256.clone() + &private, "a private key"),
        (private + &p256, "a private key"),
    ] {
        refused(&file, file.as_bytes(), &ALL, reason);
    }
}

#[test]
fn invalid_keys_are_rejected() {
    let der_file = der("p256.spki.pem");
    refused("DER", &der_file, &ALL, "not a PEM file");
    let whole = text("p256.spki.pem");
    for (what, file, reason) in [
        (
            "no end",
            whole.replace("-----END PUBLIC KEY-----", ""),
            "truncated",
        ),
        (
            "another end",
            whole.replace("END PUBLIC", "END RSA PUBLIC"),
            "truncated",
        ),
        (
            "no label's end",
            "-----BEGIN PUBLIC KEY".to_owned(),
            "truncated",
        ),
        ("no base64", whole.replace('M', "*"), "invalid base64"),
        (
            "base64url",
            pem("PUBLIC KEY", &[0xff; 48]).replace('/', "_"),
            "invalid base64",
        ),
        (
            "PGP",
            pem("PGP PUBLIC KEY BLOCK", b"key"),
            "\"PGP PUBLIC KEY BLOCK\"",
        ),
        ("empty", pem("PUBLIC KEY", b""), "an invalid "),
        (
            "a label in capitals",
            whole.replace("PUBLIC KEY", "public key"),
            "\"public key\"",
        ),
        (
            "RSA as SPKI",
            pem("PUBLIC KEY", &der("rsa-2048.pkcs1.pem")),
            "an invalid ",
        ),
        (
            "SPKI as RSA",
            pem("RSA PUBLIC KEY", &der("rsa-2048.spki.pem")),
            "an invalid ",
        ),
        (
            "SPKI as certificate",
            pem("CERTIFICATE", &der_file),
            "an invalid ",
        ),
    ] {
        refused(what, file.as_bytes(), &ALL, reason);
    }
}

/// Truncated and extended DER is rejected; changed bits do not cause a panic.
#[test]
fn truncated_or_extended_der_is_rejected() {
    for (label, name) in [
        ("PUBLIC KEY", "rsa-2048.spki.pem"),
        ("PUBLIC KEY", "p384.spki.pem"),
        ("PUBLIC KEY", "ed25519.spki.pem"),
        ("RSA PUBLIC KEY", "rsa-2048.pkcs1.pem"),
        ("CERTIFICATE", "p256.certificate.pem"),
    ] {
        let der = der(name);
        for len in 0..der.len() {
            let cut = pem(label, &der[..len]);
            served(cut.as_bytes(), &ALL).expect_err(name);
        }
        let longer = pem(label, &[der.as_slice(), &[0]].concat());
        refused(name, longer.as_bytes(), &ALL, "an invalid ");
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 1 << (at % 8);
            // Whether it is still a key depends on where.
            let _ = served(pem(label, &changed).as_bytes(), &ALL);
        }
    }
}

#[test]
fn points_not_on_their_curve_are_rejected() {
    for (name, bytes) in [("p256.spki.pem", 32), ("p384.spki.pem", 48)] {
        let der = der(name);
        for at in der.len() - 2 * bytes..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 1;
            let file = pem("PUBLIC KEY", &changed);
            refused(name, file.as_bytes(), &ALL, "not on its curve");
        }
        let mut zeros = der.clone();
        let len = zeros.len();
        zeros[len - 2 * bytes..].fill(0);
        refused(
            name,
            pem("PUBLIC KEY", &zeros).as_bytes(),
            &ALL,
            "not on its curve",
        );
    }
}

#[test]
fn invalid_rsa_keys_are_rejected() {
    let number = |bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [&[0x02, 0x82], &len[..], bytes].concat()
    };
    // Such lengths are not DER where they are small: the modulus is always long here.
    let key = |n: &[u8], e: &[u8]| {
        let e = [&[0x02, u8::try_from(e.len()).expect("short")], e].concat();
        let both = [number(n), e].concat();
        let len = u16::try_from(both.len()).expect("short").to_be_bytes();
        pem("RSA PUBLIC KEY", &[&[0x30, 0x82], &len[..], &both].concat())
    };
    let modulus = |bytes: usize, last: u8| {
        let mut modulus = vec![0xff; bytes + 1];
        (modulus[0], modulus[bytes]) = (0, last);
        modulus
    };
    for bytes in [256, 384, 512, 1024] {
        served(key(&modulus(bytes, 0xff), &[1, 0, 1]).as_bytes(), &ALL).expect("a good key");
    }
    for exponent in [&[3][..], &[5], &[1, 0, 1], &[1, 0xff, 0xff, 0xff, 0xff]] {
        served(key(&modulus(256, 0xff), exponent).as_bytes(), &ALL).expect("a good key");
    }
    for (n, e, reason) in [
        (modulus(1025, 0xff), &[1, 0, 1][..], "8200 bits"),
        (modulus(2048, 0xff), &[1, 0, 1], "16384 bits"),
        (modulus(255, 0xff), &[1, 0, 1], "2040 bits"),
        (modulus(256, 0xfe), &[1, 0, 1], "modulus is even"),
        (modulus(256, 0xff), &[0], "exponent"),
        (modulus(256, 0xff), &[1], "exponent"),
        (modulus(256, 0xff), &[2], "exponent"),
        (modulus(256, 0xff), &[1, 0, 0], "exponent"),
        (modulus(256, 0xff), &[2, 0, 0, 0, 1], "exponent"),
        (modulus(256, 0xff), &[1, 0, 0, 0, 0, 0, 0, 1], "exponent"),
        (modulus(256, 0xff), &[1, 0, 0, 0, 0, 0, 0, 0, 1], "exponent"),
        // Negative, and with a zero too many.
        (modulus(256, 0xff), &[0xff, 1], "an invalid "),
        (modulus(256, 0xff), &[0, 3], "an invalid "),
    ] {
        refused(reason, key(&n, e).as_bytes(), &ALL, reason);
    }
}

#[test]
fn a_secret_is_the_file_without_a_trailing_line_break() {
    let one = VerificationKeys::from_secret(SECRET, &ALL).expect("a secret");
    let key = one.find(Algorithm::HS512, None).expect("its key");
    let expected = key.try_get_as_bytes().expect("bytes").to_vec();
    for (end, cut) in [
        ("\n", true),
        ("\r\n", true),
        ("\n\n", false),
        ("\r", false),
        (" ", false),
    ] {
        let file = [SECRET.as_slice(), end.as_bytes()].concat();
        let keys = VerificationKeys::from_secret(&file, &ALL).expect("a secret");
        let key = keys.find(Algorithm::HS512, Some("any")).expect("its key");
        let bytes = key.try_get_as_bytes().expect("bytes");
        assert_eq!(bytes == expected, cut, "{end:?}");
        assert!(bytes.starts_with(&expected), "{end:?}");
    }
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert!(one.find(algorithm, None).is_err(), "{algorithm:?}");
    }
}

#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
    use Algorithm::{HS256, HS384, HS512, RS256};
    for (listed, len_min, largest) in [
        (&[HS256][..], 32, HS256),
        (&[HS384], 48, HS384),
        (&[HS512], 64, HS512),
        (&[HS256, HS512, HS384], 64, HS512),
        (&[RS256, HS256], 32, HS256),
    ] {
        let secret = |len| VerificationKeys::from_secret(&SECRET[..len], listed);
        secret(len_min).expect("long enough");
        for len in [0, 1, len_min - 1] {
            let error = secret(len).expect_err("too short").to_string();
            let reason = format!("a secret of {len} bytes: {largest:?} needs at least {len_min}");
            assert!(error.contains(&reason), "{error}");
        }
    }
    let error = VerificationKeys::from_secret(SECRET, &[RS256]).expect_err("no HMAC");
    assert_eq!(
        error.to_string(),
        "a secret, which is for HS256, HS384, HS512; `algorithms` lists RS256"
    );
    for name in [
        "rsa-2048.spki.pem",
        "rsa-2048.key",
        "p384.expired-certificate-with-text.pem",
    ] {
        let error = VerificationKeys::from_secret(&file(name), &ALL).expect_err(name);
        assert!(
            error.to_string().contains("public_key_file"),
            "{name}: {error}"
        );
    }
}
