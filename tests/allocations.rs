//! What the validate stage allocates: nothing in the steady state, and never more than it says.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use ringest::model::Rules;
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
                let spans = limits.records_max * 3 * size_of::<ringest::validate::Span>();

                let allowed = Validator::SCRATCH_RETAINED_BYTES_MAX + spans;
                assert!(kept <= allowed, "{piece} × {len}: {kept} > {allowed}");
            }
        }
    }
}
