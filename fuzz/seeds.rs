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

/// Values of the types of the target `direct`.
const TYPES: &str = r#"[{"a":{"1":[1,-2],"-3":null},"b":{"x":1.5e2,"y":"1.50","z":null},"t":"2026-08-21T10:15:30Z",
"c":["2026-08-21 10:15:30.123+02:00","2026-08-21","10.0.0.1","::1"],"o":{"a":{"b":"x"},"e":"ab","f":[[],{}]},
"k":"\u00e9\ud83d\ude00","a_name_of_several_words":{"u":18446744073709551615,"i":-32768,"b":true}}
,{"k":"é","t":{"ms":1},"a_name_of_several_words":null}]"#;

/// A record in each content coding, as the commands gzip and zstd and Python's zlib make it; the last has a
/// block of several sequences.
const COMPRESSED: [(&str, &[u8]); 6] = [
    (
        "gzip",
        b"\x1f\x8b\x08\x08\xa5\x89\x0c\x6b\0\x03n.json\0\xab\x56\xca\x53\xb2\x32\xac\xe5\x02\
          \0\x93\x11\xbe\x85\x08\0\0\0",
    ),
    (
        "deflate",
        b"\x78\x9c\xab\x56\xca\x53\xb2\x32\xac\xe5\x02\0\x0a\x8b\x02\x20",
    ),
    (
        "zstd",
        b"\x28\xb5\x2f\xfd\x24\x08\x41\0\0{\"n\":1}\n\x33\x15\x9b\x3c",
    ),
    (
        "gzip-lines",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x6d\x92\x3b\x0e\xc2\x40\x0c\x44\x7b\x8e\xb1\x35\xc5\xda\xf1\
          \x7e\x9c\xeb\x84\x14\x11\x08\xa4\x08\x41\x11\x71\x77\x84\xa2\x2d\xc2\xbe\x76\xa4\xb1\xe7\xb7\x85\x7b\
          \x18\xe3\x39\x3c\xc3\x18\xa6\xdb\x32\x5d\xc3\xe7\xb4\xfd\x30\xd9\xb1\xd7\x32\xbf\x1b\x64\x3b\xf4\x58\
          \x2f\xf3\xda\x30\x27\x6a\xee\xb9\x9a\x80\x3c\x64\x60\x9b\xf7\xec\x4c\xaf\xab\xd0\xef\x18\x7b\xba\xa8\
          \x00\x5f\xcc\x50\x3c\xfc\x17\xcf\x70\x40\x9b\xa9\xc3\x01\x4d\x64\xbf\x3a\xf9\x57\x52\x30\x64\xca\xbe\
          \xf9\x3a\x1c\x30\xa3\x0c\xac\x5a\x7f\x20\x29\x29\x48\x85\x2a\xc8\xcd\xd8\xa1\x83\x42\x19\x14\xa5\x05\
          \x14\x52\x50\x8d\x5a\xf0\x48\xeb\x73\xca\x40\xa2\xd2\x0e\x24\x56\x5c\xa1\x50\x11\xa2\xb8\x44\x51\xa7\
          \x20\x64\xc0\x35\x98\xa1\x8e\xa4\x7f\x6d\x7c\x01\xd2\xc0\x8e\xa2\x5d\x03\x00\x00",
    ),
    (
        "deflate-lines",
        b"\x78\x9c\x6d\x92\x3b\x0e\xc2\x40\x0c\x44\x7b\x8e\xb1\x35\xc5\xda\xf1\x7e\x9c\xeb\x84\x14\x11\x08\xa4\
          \x08\x41\x11\x71\x77\x84\xa2\x2d\xc2\xbe\x76\xa4\xb1\xe7\xb7\x85\x7b\x18\xe3\x39\x3c\xc3\x18\xa6\xdb\
          \x32\x5d\xc3\xe7\xb4\xfd\x30\xd9\xb1\xd7\x32\xbf\x1b\x64\x3b\xf4\x58\x2f\xf3\xda\x30\x27\x6a\xee\xb9\
          \x9a\x80\x3c\x64\x60\x9b\xf7\xec\x4c\xaf\xab\xd0\xef\x18\x7b\xba\xa8\x00\x5f\xcc\x50\x3c\xfc\x17\xcf\
          \x70\x40\x9b\xa9\xc3\x01\x4d\x64\xbf\x3a\xf9\x57\x52\x30\x64\xca\xbe\xf9\x3a\x1c\x30\xa3\x0c\xac\x5a\
          \x7f\x20\x29\x29\x48\x85\x2a\xc8\xcd\xd8\xa1\x83\x42\x19\x14\xa5\x05\x14\x52\x50\x8d\x5a\xf0\x48\xeb\
          \x73\xca\x40\xa2\xd2\x0e\x24\x56\x5c\xa1\x50\x11\xa2\xb8\x44\x51\xa7\x20\x64\xc0\x35\x98\xa1\x8e\xa4\
          \x7f\x6d\x7c\x01\x83\x6d\xe9\xe4",
    ),
    (
        "zstd-lines",
        b"\x28\xb5\x2f\xfd\x04\x68\xd5\x04\x00\xb2\x88\x17\x15\xa0\xab\x03\x9e\x1b\xc5\xbc\x97\xf0\xdf\xfe\xb5\
          \xad\x94\x69\x27\xd0\xbb\x47\xab\x15\xf5\xf5\x7f\xa2\x2a\xa6\x7b\x36\x5e\x9b\xcb\x7a\x5b\x8b\x69\x96\
          \xfd\xfa\x12\xd2\x02\x0a\x78\x46\x14\x2e\x7d\x5f\xef\x6f\xf6\xa2\xba\x55\x2e\xe3\xf9\x6c\xcc\xc4\xfe\
          \xad\x6b\xd6\xae\x63\x1e\xd5\x19\x9b\x8c\x51\x30\xcb\x1f\xe3\x70\x0a\x44\x09\x21\x8e\x84\x48\x43\x6a\
          \x52\x60\x43\x52\x12\x14\x2a\xa8\x11\x60\x2c\xf2\xae\xdf\x01\x60\x95\xb6\x03\x11\x34\x10\x01\x22\xdc\
          \x08\x3a\x3f\xcd\x30\x1d\x1e\x03\x15\x4a\x31\xe5\x24\x38\xa9\x94\x89\x86\xb9\x10\x90\xad\x20\x03\xab\
          \xfe\x9f\xff\xbc\xdc\x17\xb3\x11\x61\x0b\x1c\x10\xab\x6f\x69\x2c\x2e",
    ),
];

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
    for (coding, (name, body)) in (0_u8..).zip(COMPRESSED) {
        write("content_encoding", name, &[&[coding, 2, 7], body].concat())?;
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
            Framing::Length(_) => {
                write("validate", &case.id, body)?;
                write("direct", &case.id, body)?;
            }
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
    write("validate", "event", &record)?;
    write("direct", "event", &record)?;
    write("direct", "types", TYPES.as_bytes())
}
