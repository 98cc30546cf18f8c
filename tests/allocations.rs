//! What the validate stage, prebuilt answers and the cache of credentials allocate: nothing in the steady
//! state, and never more than they say.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Duration,
};

use ringest::auth::{ApiKey, Auth, AuthMode, Cache, Globs, Hint, KeyHash, KeySet, Verified};
use ringest::http::{Coding, Decoder};
use ringest::model::{Field, Model, Rules, Type, UnknownFields};
use ringest::outcome::{Outcome, Refusal};
use ringest::quota::{Allowance, Bucket, ClaimBuckets, Quota, QuotaError, Quotas, Unit};
use ringest::response::{Form, Persistence, Responses};
use ringest::route::RouteTable;
use ringest::validate::{Format, ValidateLimits, Validator};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with what each thread asks of it counted.
struct Counting;

fn count(calls: usize, bytes: isize) {
    CALLS.set(CALLS.get() + calls);
    HELD.set(HELD.get() + bytes);
    PEAK.set(PEAK.get().max(HELD.get()));
}

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks are held while the one is copied to the other.
        count(1, size.cast_signed());
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EVENT: &str =
    r#"{"eventId":"0198c7a2-4b1e-7d3a-9f00-5e2c8a41b7d6","tags":[],"geo":{"lat":52.5}}"#;
const ESCAPED: &str =
    r#"{"eventId":"0198c7a2","text":"\"a\\b\" \u00e9\ud83d\ude00\n","tags":[{}]}"#;

#[test]
fn nothing_in_the_steady_state() {
    let array = |record| format!("[{}]", vec![record; 1_000].join(", "));
    let lines = |record| vec![record; 1_000].join("\r\n");
    let bodies = [
        (EVENT.to_owned(), Format::Json),
        (ESCAPED.to_owned(), Format::Json),
        (array(EVENT), Format::Json),
        (array(ESCAPED), Format::Json),
        (lines(EVENT), Format::Ndjson),
        (lines(ESCAPED), Format::Ndjson),
        ("[]".to_owned(), Format::Json),
    ];
    let mut validator = Validator::new(LIMITS);
    let round = |validator: &mut Validator| {
        let records = bodies.iter().map(|(body, format)| {
            let valid = validator.validate(body.as_bytes(), *format, &Rules::any());
            valid.expect("valid").len()
        });
        assert_eq!(records.sum::<usize>(), 4_002);
    };
    round(&mut validator);
    let before = CALLS.get();
    for _ in 0..10 {
        round(&mut validator);
    }
    assert_eq!(CALLS.get() - before, 0);
}

/// A model of seventy fields with a key and a timestamp, and a record of it that has to be looked at
/// by its text here and there.
fn typed() -> (Rules, String) {
    let mut types = vec![
        ("key", "String", r#""a\u00e9""#),
        ("time", "DateTime64(3)", r#""2026-11-24T08:00:00Z""#),
        ("big", "UInt256", "99999999999999999999999"),
        ("kind", "Enum8('a' = 1)", r#""a""#),
        (
            "map",
            "Map(UInt8, Array(Float64))",
            r#"{"1":[1,"inf"],"2":[]}"#,
        ),
        ("point", "Point", "[1.5,2]"),
        (
            "geo",
            "Tuple(lat Float64, lon Float64)",
            r#"{"lon":1,"lat":2}"#,
        ),
        ("json", "JSON(a.b IPv6)", r#"{"x":[{}],"a":{"b":"::1"}}"#),
        ("id", "Nullable(UUID)", "null"),
    ];
    let more: Vec<_> = (0..61).map(|number| format!("more{number}")).collect();
    types.extend(more.iter().map(|name| (name.as_str(), "Int8", "-1")));
    let fields = types.iter().map(|(name, type_, _)| {
        Field::declared(
            (*name).to_owned(),
            Type::parse(type_).expect("a type"),
            false,
        )
    });
    let mut rules = Rules::compile(&fields.collect::<Vec<_>>(), UnknownFields::Reject);
    rules.partition_key = Some(vec!["key".to_owned()]);
    rules.timestamp_field = Some(vec!["time".to_owned()]);
    let members = types.iter().rev();
    let members: Vec<_> = members
        .map(|(name, _, value)| format!("\"{name}\":{value}"))
        .collect();
    (rules, format!("{{{}}}", members.join(",")))
}

#[test]
fn nothing_for_a_typed_model_in_the_steady_state() {
    let (rules, record) = typed();
    let bodies = [
        (record.clone(), Format::Json),
        (
            format!("[{}]", vec![&*record; 1_000].join(", ")),
            Format::Json,
        ),
        (vec![&*record; 1_000].join("\n"), Format::Ndjson),
    ];
    let mut validator = Validator::new(LIMITS);
    let round = |validator: &mut Validator| {
        let records = bodies.iter().map(|(body, format)| {
            let valid = validator.validate(body.as_bytes(), *format, &rules);
            let valid = valid.expect("valid");
            let mut records = valid.records();
            assert!(records.all(|it| it.key == Some("aé".as_bytes()) && it.timestamp_ms.is_some()));
            valid.len()
        });
        assert_eq!(records.sum::<usize>(), 2_001);
    };
    round(&mut validator);
    let before = CALLS.get();
    for _ in 0..10 {
        round(&mut validator);
    }
    assert_eq!(CALLS.get() - before, 0);
}

#[test]
fn no_more_than_it_says() {
    let costly = [
        "[",
        "1,",
        "[],",
        "{},",
        "\"\",",
        "[[[[[[1]]]]]],",
        "\\",
        "{\"a\":{}}\n",
    ];
    // The last is refused before there is a tape: its string does not end.
    for (piece, end) in costly
        .map(|piece| (piece, "1]"))
        .into_iter()
        .chain([("1,", "\"")])
    {
        for len in [100_000, 1_000_000, 3_000_000] {
            let body = format!("[{}{end}", piece.repeat(len / piece.len()));
            for format in [Format::Json, Format::Ndjson] {
                // The records' own limits would hide what the parser takes.
                let limits = ValidateLimits {
                    record_bytes_max: body.len(),
                    ..LIMITS
                };
                let start = HELD.get();
                PEAK.set(start);
                let mut validator = Validator::new(limits);
                // A body that leaves as much behind as may be left.
                let first = format!("[{}{{}}]", "{},".repeat(95_000));
                let records = validator.validate(first.as_bytes(), Format::Json, &Rules::any());
                assert_eq!(records.expect("valid").len(), 95_001);
                drop(first);
                let _ = validator.validate(body.as_bytes(), format, &Rules::any());
                let peak = (PEAK.get() - start).cast_unsigned();

                let promised = Validator::scratch_bytes_max(limits, body.len());
                assert!(peak <= promised, "{piece} × {len}: {peak} > {promised}");

                let kept = (HELD.get() - start).cast_unsigned();
                // A span and an index of each.
                let records = limits.records_max * 3 * 12;

                let allowed = Validator::SCRATCH_RETAINED_BYTES_MAX + records;
                assert!(kept <= allowed, "{piece} × {len}: {kept} > {allowed}");
            }
        }
    }
}

/// A key set for 65 routes, and a credential that it verified, for one of them.
fn verified() -> (Arc<KeySet>, Verified) {
    let token = b"a-token";
    let key = ApiKey {
        name: "somebody".into(),
        hash: KeyHash::sha256(token),
        routes: Globs::new(["model7/*"]),
        expires_ms: None,
        origins: None,
        bucket: None,
    };
    let auth = Auth {
        mode: AuthMode::Required,
        cache_entries: 1,
        issuers: Vec::new(),
        api_keys: vec![key],
        certificates: Vec::new(),
        key_files: Vec::new(),
    };
    let model = |number| {
        let version = "1.0".parse().expect("a version");
        Arc::new(Model::untyped(&format!("Model{number}"), version, "topic"))
    };
    let models: Vec<_> = (0..65).map(model).collect();
    let keys = KeySet::new(&auth, &[], &Arc::new(RouteTable::new(&models)));
    let check = keys.check(token, 1).expect("its hash is configured");
    let verified = check.verify(1).expect("its hash is configured");
    (keys, verified)
}

#[test]
fn nothing_for_a_credential_that_is_known() {
    let (keys, verified) = verified();
    let tokens: Vec<_> = (0..100_u8).map(|byte| vec![byte; 700]).collect();
    let mut cache = Cache::new(tokens.len());
    for token in &tokens {
        cache.insert(token, verified.clone(), &keys);
    }
    let hint = Cell::new(Hint::default());
    let before = CALLS.get();
    for token in tokens.iter().chain(&tokens).flat_map(|token| [token; 3]) {
        let found = cache.find(token, &hint, &keys, 1);
        let principal = found.expect("it was inserted").expect("its key set");
        assert_eq!(principal.name(), Some("somebody"));
    }
    assert_eq!(CALLS.get() - before, 0);
}

#[test]
fn a_decoder_takes_no_more_than_it_says() {
    // A stored block of three bytes (RFC 1951 section 3.2.4), in zlib's format and in gzip's.
    let zlib = b"\x78\x9c\x01\x03\0\xfc\xff[1]\x03\x5e\x00\xbf";
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x03\0\xfc\xff[1]\0\0\0\0\x03\0\0\0";
    for (coding, body) in [(Coding::Deflate, &zlib[..]), (Coding::Gzip, gzip)] {
        let start_bytes = HELD.get();
        PEAK.set(start_bytes);
        let mut decoder = Decoder::new(coding).expect("memory");
        let mut decode = || {
            let start = decoder.decode(&body[..body.len() - 8], &mut [0; 8]);
            start.expect("the start of a stream");
            decoder.reset();
            (PEAK.get() - start_bytes).cast_unsigned()
        };
        let promised = coding.memory_bytes_max();
        // Before the decoder of gzip that was reset is gone, there is another one, which a worker's sum counts.
        for _ in 0..3 {
            let peak = decode();
            assert!(
                promised / 2 < peak && peak <= 2 * promised,
                "{coding:?}: {peak} of {promised}"
            );
        }
        let kept = (HELD.get() - start_bytes).cast_unsigned();
        assert!(kept <= decoder.memory_bytes(), "{coding:?}: {kept}");
    }
}

#[test]
fn a_cache_takes_no_more_than_it_says() {
    for (entries_max, token_bytes) in [
        (1, 10),
        (100, 65),
        (100, 700),
        (100, 16_000),
        (1_000, 1_500),
    ] {
        let (keys, verified) = verified();
        let start = HELD.get();
        PEAK.set(start);
        let mut cache = Cache::new(entries_max);
        for number in 0..3 * entries_max {
            let mut token = vec![b'x'; token_bytes];
            token[..4].copy_from_slice(&u32::try_from(number).expect("few").to_le_bytes());
            cache.insert(&token, verified.clone(), &keys);
        }
        let peak = (PEAK.get() - start).cast_unsigned();
        // The token of the loop, the newest entry before an older one goes, a table that doubles.
        let beside = 3 * token_bytes + 4_096 + entries_max * 64;
        let promised = Cache::bytes_max(entries_max) + beside;
        assert!(
            peak <= promised,
            "{entries_max} × {token_bytes}: {peak} > {promised}"
        );
        assert!(cache.len() <= entries_max);
    }
}

fn over_quota() -> QuotaError {
    let bucket = Bucket::new(Quota::new([0, 0, 1], Duration::from_secs(1)));
    let quotas = Quotas {
        principal: None,
        route: Some(&bucket),
    };
    assert_eq!(quotas.take(&[(Unit::Bytes, 9)], 0), Ok(()));
    quotas
        .take(&[(Unit::Bytes, 1)], 0)
        .expect_err("all is owed")
}

#[test]
fn nothing_for_quotas() {
    let quota = Quota::new([1_000, 1_000, 1_000], Duration::from_secs(1));
    let route = Bucket::new(quota);
    let claims = Arc::new(ClaimBuckets::new(quota, 16));
    let values: Vec<_> = (0..1_000).map(|value| value.to_string()).collect();
    let ids = values.iter().map(|value| claims.id(Some(value)));
    let of = |id| Allowance::Claim(Arc::clone(&claims), id);
    let allowances: Vec<_> = ids.map(of).collect();
    let before = CALLS.get();
    let mut accepted = 0;
    for principal in &allowances {
        let quotas = Quotas {
            principal: Some(principal),
            route: Some(&route),
        };
        let amounts = [(Unit::Requests, 1), (Unit::Bytes, 10)];
        accepted += usize::from(quotas.take(&amounts, 1).is_ok());
        quotas.owe(Unit::Records, 1, 1);
    }
    assert_eq!(CALLS.get() - before, 0);
    assert_eq!(accepted, 100, "the route's bytes");
}

/// Prebuilt answers, whether pages of other origins may read them or not.
#[test]
fn nothing_for_prebuilt_answers() {
    let responses = Responses::new();
    let over_quota = over_quota();
    let mut output = Vec::with_capacity(4_096);
    let mut write = |fields: &[u8]| {
        for persistence in [
            Persistence::Keep,
            Persistence::KeepHttp10,
            Persistence::Close,
        ] {
            let form = Form {
                persistence,
                head_only: false,
                date: [b'0'; 29],
                fields,
                request_id: "4bf92f3577b34da6",
            };
            for outcome in [
                Outcome::Healthy,
                Outcome::Refused(Refusal::Draining),
                Outcome::Refused(Refusal::Quota(over_quota)),
            ] {
                output.clear();
                responses.write(&outcome, form, &mut output);
            }
        }
    };
    let before = CALLS.get();
    write(&[]);
    write(b"Vary: Origin\r\n");
    assert_eq!(CALLS.get() - before, 0);
}
