//! A public key in a PEM file (RFC 7468).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::DecodingKey;
use memchr::memmem;
use x509_cert::{
    Certificate,
    der::{
        self, Decode as _, Encode as _, Reader as _, SliceReader,
        asn1::{ObjectIdentifier, UintRef},
    },
    spki::SubjectPublicKeyInfoRef,
};

use super::material::{self, KeyKind};
use crate::excerpt::excerpt;

const BEGIN: &[u8] = b"-----BEGIN ";

// RFC 8017 appendix C, RFC 5480 section 2.1.1, RFC 8410 section 3.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Whether the file contains a PEM block.
pub(super) fn is_pem(file: &[u8]) -> bool {
    memmem::find(file, BEGIN).is_some()
}

/// The key of the only PEM block.
pub(super) fn public_key(file: &[u8]) -> Result<(KeyKind, DecodingKey), String> {
    let (label, der) = only_block(file)?;
    match label {
        b"PUBLIC KEY" => subject_public_key(&der),
        b"RSA PUBLIC KEY" => Ok((KeyKind::Rsa, rsa(&der)?)),
        b"CERTIFICATE" => certificate(&der),
        _ => Err(format!(
            "a PEM block of type {:?}: {EXPECTED}",
            excerpt(label, 64)
        )),
    }
}

const EXPECTED: &str =
    "expected a PUBLIC KEY, an RSA PUBLIC KEY or a CERTIFICATE (openssl pkey -pubout creates one)";

/// The label and content of the only PEM block.
fn only_block(file: &[u8]) -> Result<(&[u8], Vec<u8>), String> {
    let mut blocks = memmem::find_iter(file, BEGIN).map(|at| &file[at + BEGIN.len()..]);
    let labelled: Vec<_> = blocks
        .by_ref()
        .map(|block| split(block, b"-----"))
        .collect();
    let labels = labelled.iter().filter_map(|block| Some(block.as_ref()?.0));
    if labels.clone().any(|label| label.ends_with(b"PRIVATE KEY")) {
        return Err(
            "a private key: use the public key (openssl pkey -pubout extracts it)".to_owned(),
        );
    }
    let (label, rest) = match labelled[..] {
        [] => return Err(format!("not a PEM file: {EXPECTED}")),
        [Some(block)] => block,
        [None] => return Err("a truncated PEM block".to_owned()),
        _ => {
            return Err(format!(
                "{} keys or certificates in one PEM file: exactly one is allowed, of a chain the first",
                labelled.len()
            ));
        }
    };
    let end = [b"-----END ", label, b"-----"].concat();
    let (body, _) = split(rest, &end).ok_or("a truncated PEM block")?;
    let body: Vec<u8> = (body.iter().copied())
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = STANDARD
        .decode(body)
        .map_err(|error| format!("invalid base64 in the PEM block: {error}"))?;
    Ok((label, der))
}

fn split<'t>(text: &'t [u8], at: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let found = memmem::find(text, at)?;
    Some((&text[..found], &text[found + at.len()..]))
}

/// X.509 (RFC 5280).
fn certificate(der: &[u8]) -> Result<(KeyKind, DecodingKey), String> {
    Certificate::from_der(der)
        .and_then(|it| it.tbs_certificate().subject_public_key_info().to_der())
        .map_err(|error| format!("an invalid certificate: {error}"))
        .and_then(|der| subject_public_key(&der))
}

/// A `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
fn subject_public_key(der: &[u8]) -> Result<(KeyKind, DecodingKey), String> {
    let invalid = |error| format!("an invalid public key: {error}");
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(invalid)?;
    let key = info
        .subject_public_key
        .as_bytes()
        .ok_or("an invalid public key: not a whole number of bytes")?;
    match info.algorithm.oid {
        RSA => Ok((KeyKind::Rsa, rsa(key)?)),
        EC => match info.algorithm.parameters_oid() {
            Ok(P256) => Ok((KeyKind::P256, material::ec(KeyKind::P256, key)?)),
            Ok(P384) => Ok((KeyKind::P384, material::ec(KeyKind::P384, key)?)),
            Ok(curve) => Err(format!(
                "an EC key on {}: P-256 and P-384 are supported",
                name(curve)
            )),
            Err(_) => Err("an EC key without a named curve".to_owned()),
        },
        ED25519 => Ok((KeyKind::Ed25519, material::ed25519(key)?)),
        other => Err(format!(
            "a key for {}: RSA, EC and Ed25519 keys are supported",
            name(other)
        )),
    }
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa(der: &[u8]) -> Result<DecodingKey, String> {
    let (n, e) = components(der).map_err(|error| format!("an invalid RSA key: {error}"))?;
    material::rsa(n, e)
}

fn components(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let (n, e) = reader.sequence(|key| -> der::Result<(UintRef<'_>, UintRef<'_>)> {
        Ok((key.decode()?, key.decode()?))
    })?;
    reader.finish()?;
    Ok((n.as_bytes(), e.as_bytes()))
}

/// The name of an unsupported algorithm or curve.
fn name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS alone",
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.113" => "Ed448",
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.35" => "P-521",
        oid => return format!("OID {oid}"),
    }
    .to_owned()
}
