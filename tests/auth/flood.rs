//! A flood of strangers: those who are known do not notice, and nothing grows.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Rig, empty,
    issuers::{ApiKey, ES, HS, PB, RS, SHA, SET_A},
    table::Random,
    token::{base64, parts},
};

/// Junk tokens of each shape, all different.
const JUNK: u64 = 20_000;

/// Sent before the first of them is answered.
const BATCH: u64 = 50;

/// How much more memory the server may have afterwards: its caches, queues and buffers are bounded,
/// and were not all full before.
const GROWTH_BYTES_MAX: u64 = 48 * 1024 * 1024;

type Shape = fn(&mut Random) -> String;

/// The shape of each kind of token, with nothing in it that is right.
const SHAPES: [(&str, Shape); 6] = [
    ("RS256", |random| junk_jwt(&RS_PARTS, random, 256)),
    ("ES256", |random| junk_jwt(&ES_PARTS, random, 64)),
    ("kid", |random| {
        let kid = format!("\"{}\"", random.next());
        SET_A.jwt().header("kid", &kid).signed_by(crate::keys::Signer::Nobody).token() + "AAAA"
    }),
    ("PBKDF2", |random| format!("{}.{}", digits(random), digits(random))),
    ("sha256", |random| digits(random) + &digits(random)),
    ("letters", |random| base64(bytes(random, 100))),
];
