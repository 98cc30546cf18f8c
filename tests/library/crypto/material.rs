//! The files of `keys/`.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// The secret that `tokens.txt` is signed with.
pub(crate) const SECRET: &[u8; 64] =
    b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn file(name: &str) -> Vec<u8> {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/crypto/keys");
    fs::read(keys.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn text(name: &str) -> String {
    String::from_utf8(file(name)).expect("UTF-8")
}

/// The contents of a file's only block.
pub(crate) fn der(name: &str) -> Vec<u8> {
    let text = text(name);
    let block: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    STANDARD.decode(block).expect("base64")
}

/// A block of PEM on lines of 64 characters.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der).into_bytes();
    let lines: Vec<_> = (base64.chunks(64).map(String::from_utf8_lossy)).collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// The members of a key in `jwk.json`.
pub(crate) fn jwk(name: &str) -> Map<String, Value> {
    let jwks: Value = serde_json::from_slice(&file("jwk.json")).expect("JSON");
    let jwk = jwks.get(name).and_then(Value::as_object);
    jwk.unwrap_or_else(|| panic!("no JWK is called {name}"))
        .clone()
}
