//! The longest step of validating each of the costly bodies, for which other requests wait, and the time
//! of all steps; then the same for producing many records. Prints two tables; an argument is a part of the
//! names of the bodies to be measured. With `--test` all is small and runs once.

#[path = "fixtures/costly.rs"]
#[expect(dead_code, reason = "a test uses the rest")]
mod costly;
#[path = "fixtures/models.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod models;
#[path = "fixtures/sink.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod sink;

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use costly::{Costly, costly};
use nix::time::{ClockId, clock_gettime};
use ringest::{
    auth,
    model::{Rules, schema_prefix},
    produce::{Headers, Payloads},
    validate::{Format, ValidateLimits, Validation, Validator},
};
use sink::Sink;

const BODY_BYTES: usize = 10 << 20;

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

/// Runs of each body, of which the best counts.
const RUNS: usize = 3;

/// How much less there is of everything with `--test`.
const TEST_SHARE: usize = 5;

fn main() {
    let name = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let (share, runs) = if std::env::args().any(|it| it == "--test") {
        (TEST_SHARE, 1)
    } else {
        (1, RUNS)
    };
    let mut results: Vec<_> = costly(BODY_BYTES / share)
        .iter()
        .filter(|it| name.as_ref().is_none_or(|name| it.name.contains(name)))
        .map(|it| (measure(it, runs), it.name, it.body.len()))
        .collect();
    results.sort_unstable();
    println!(
        "{:>12} {:>10} {:>6} {:>10}  body",
        "longest, us", "all, us", "steps", "bytes"
    );
    for ((longest, all, steps), name, bytes) in results {
        let [longest, all] = [longest, all].map(|it| it.as_micros());
        println!("{longest:>12} {all:>10} {steps:>6} {bytes:>10}  {name}");
    }
    let sink = Sink::open();
    sink.deliver_one();
    println!("\nlongest of each, us; all of them at once");
    println!(
        "{:>7} {:>7} {:>8} {:>8} {:>7} {:>8}  records",
        "copies", "enter", "take in", "dispatch", "drain", "at once"
    );
    for many in many(share) {
        if name.as_ref().is_some_and(|name| !many.name.contains(name)) {
            continue;
        }
        let runs = (0..runs).map(|_| produce(&sink, &many));
        let best = runs.reduce(|one, other| std::array::from_fn(|step| one[step].min(other[step])));
        let [copies, enter, take_in, dispatch, drain, at_once] =
            best.expect("some").map(|it| it.as_micros());
        println!(
            "{copies:>7} {enter:>7} {take_in:>8} {dispatch:>8} {drain:>7} {at_once:>8}  {}",
            many.name
        );
    }
}

/// Many valid records.
struct Many {
    name: &'static str,
    record: String,
    count: usize,
    is_keyed: bool,
    has_header: bool,
    has_schema: bool,
}

fn many(share: usize) -> Vec<Many> {
    let of = |name, record: &str, count: usize| Many {
        name,
        record: record.to_owned(),
        count: count.div_ceil(share),
        is_keyed: false,
        has_header: false,
        has_schema: false,
    };
    let key = |bytes| format!("{{\"k\":\"{}\"}}", "k".repeat(bytes));
    vec![
        of("tiny ones", "{}", 100_000),
        Many {
            has_header: true,
            ..of("with a header", "{}", 100_000)
        },
        Many {
            is_keyed: true,
            ..of("with keys", &key(90), 100_000)
        },
        Many {
            is_keyed: true,
            ..of("with long keys", &key(480_000), 21)
        },
        Many {
            has_schema: true,
            ..of(
                "with a schema",
                &format!("{{{}}}", " ".repeat(100)),
                100_000,
            )
        },
    ]
}

/// The longest step of each kind, and the time of taking in all of them at once.
fn produce(sink: &Sink, many: &Many) -> [Duration; 6] {
    let body = format!("[{}]", vec![&*many.record; many.count].join(","));
    let mut validator = Validator::new(LIMITS);
    let mut rules = Rules::any();
    rules.partition_key = many.is_keyed.then(|| vec!["k".to_owned()]);
    let valid = validator.validate(body.as_bytes(), Format::Json, &rules);
    let valid = valid.expect("valid");
    let route = || {
        let route = auth::anonymous().authorize(&sink.routes.routes()[0]);
        route.expect("all routes are allowed")
    };
    let headers = || {
        let mut headers = Headers::default();
        if many.has_header {
            headers.push("source", b"here");
        }
        headers
    };
    let mut copies = Duration::ZERO;
    let mut payloads = || {
        let (memory, permit) = sink.body(body.as_bytes());
        if !many.has_schema {
            return Payloads::as_received(memory, permit);
        }
        let start = cpu_time();
        let bytes = body.as_bytes();
        let made = Payloads::prefixed_copies(schema_prefix(7), bytes, &valid, &sink.pool, &permit);
        copies = elapsed(start);
        made.expect("room")
    };
    let memory = payloads();
    let start = cpu_time();
    let collected = sink.producer.collect(route(), &valid, memory, headers());
    let at_once = elapsed(start);
    drop(collected.expect("room"));
    sink.settle();

    let memory = payloads();
    let start = cpu_time();
    let slices = sink
        .producer
        .collect_in_slices(route(), &valid, memory, headers());
    let mut slices = slices.expect("room");
    let (enter, mut take_in) = (elapsed(start), Duration::ZERO);
    let delivery = loop {
        let start = cpu_time();
        let delivery = slices.advance();
        take_in = take_in.max(elapsed(start));
        if let Some(delivery) = delivery {
            break delivery;
        }
    };
    let (mut dispatch, mut drain) = (Duration::ZERO, Duration::ZERO);
    while sink.producer.queued_records() > 0 {
        let start = cpu_time();
        sink.producer.resume(Instant::now());
        dispatch = dispatch.max(elapsed(start));
        thread::sleep(Duration::from_millis(1));
        let start = cpu_time();
        sink.producer.drain();
        drain = drain.max(elapsed(start));
    }
    drop(delivery);
    [copies, enter, take_in, dispatch, drain, at_once]
}

/// The longest step, all of them, and how many there are.
fn measure(costly: &Costly, runs: usize) -> (Duration, Duration, usize) {
    let runs = (0..runs).map(|_| {
        let mut validator = Validator::new(LIMITS);
        let mut validation = Validation::new(costly.format);
        let (mut longest, mut steps) = (Duration::ZERO, 0);
        let start = cpu_time();
        loop {
            let step = cpu_time();
            let is_complete = validator.advance(&mut validation, &costly.body, &costly.rules);
            longest = longest.max(elapsed(step));
            steps += 1;
            if is_complete {
                break;
            }
        }
        let last = cpu_time();
        let _ = black_box(validation.result(&costly.rules).map(|valid| valid.len()));
        longest = longest.max(elapsed(last));
        (longest, elapsed(start), steps)
    });
    runs.min().expect("some")
}

/// The CPU time of this thread: that of others does not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.expect("Linux has that clock").into()
}

fn elapsed(since: Duration) -> Duration {
    cpu_time().saturating_sub(since)
}
