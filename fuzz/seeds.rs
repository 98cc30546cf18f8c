//! Writes what the fuzzers start from, `seeds DIRECTORY`: the cases of `tests/http`, in the form that each
//! target reads, below `DIRECTORY/TARGET/`; for those about credentials the keys of `tests/library/crypto`.

#[expect(dead_code, reason = "what a case must be answered is for the tests")]
#[path = "../tests/http/corpus.rs"]
mod corpus;

use std::{fs, io, path::Path};

// The flags that instrument the targets are for this program too: it needs libFuzzer's counters.
use libfuzzer_sys as _;
use ringest::http::{Framing, HeadLimits, HeadParser};

/// The checkout of ringest.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The two bytes that choose how the targets `head` and `chunked` split what follows, and its limits.
const CHOICE: [u8; 2] = [3, 200];

/// The cases' own limits are tighter: one that fills them is worth starting from.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 16_384,
    headers_max: 100,
};

/// The parts of a token that is valid except for its signature.
const JWT: &[u8] = br#"{"alg":"HS256","typ":"JWT","kid":"k"}
{"iss":"i","aud":["a"],"sub":"s","exp":1900000000,"nbf":1.5,"iat":1,"c":true,"r":"event/* other"}
01234567890123456789012345678901"#;

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).expect("usage: seeds DIRECTORY");
    let write = |target: &str, id: &str, seed: &[u8]| {
        let directory = Path::new(&directory).join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(id), seed)
    };
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (id, start, lines) in [
        ("v1", "PROXY TCP4 192.0.2.1 10.0.0.1 5 443\r\n", ""),
        ("unknown", "PROXY UNKNOWN\r\n", ""),
        ("v2", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0caaaabbbbccdd", ""),
        ("local", "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", ""),
        (
            "list",
            "",
            "X-Forwarded-For: 192.0.2.1, [::1]:80, 10.2.2.2\r\n",
        ),
        (
            "rfc7239",
            "",
            "Forwarded: for=\"[::1]:80\";proto=http, for=10.2.2.2\r\n",
        ),
    ] {
        write(
            "proxies",
            id,
            format!("{start}{post}{lines}\r\n").as_bytes(),
        )?;
    }
    for case in corpus::cases(ROOT) {
        let request = case.bytes();
        write("head", &case.id, &[&CHOICE, &request[..]].concat())?;
        let Ok(Some(head)) = HeadParser::new(LIMITS).parse(&request) else {
            continue;
        };
        let body = &request[head.len..];
        match head.framing {
            Framing::None => {}
            Framing::Length(_) => write("validate", &case.id, body)?,
            Framing::Chunked => write("chunked", &case.id, &[&CHOICE, body].concat())?,
        }
    }
    for file in fs::read_dir(Path::new(ROOT).join("tests/library/crypto/keys"))? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        write("key_file", &name, &fs::read(file.path())?)?;
    }
    let jwks: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&fs::read(
        Path::new(ROOT).join("tests/library/crypto/keys/jwk.json"),
    )?)?;
    let set = serde_json::json!({ "keys": jwks.values().collect::<Vec<_>>() });
    write("key_file", "set", set.to_string().as_bytes())?;
    write("credential", "jwt", JWT)?;
    write("credential", "api-key", &[[b'0'; 32]; 2].join(&b'.'))?;
    let record = fs::read(Path::new(ROOT).join("loadtest/records/event-293.json"))?;
    write("validate", "event", &record)
}
