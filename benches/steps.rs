//! The longest step of validating each of the costly bodies, for which other requests wait, and the time
//! of all steps. Prints a table; an argument is a part of the names of the bodies to be measured.

#[path = "fixtures/costly.rs"]
#[expect(dead_code, reason = "a test uses the rest")]
mod costly;
#[path = "fixtures/models.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod models;

use std::{hint::black_box, time::Duration};

use costly::{Costly, costly};
use nix::time::{ClockId, clock_gettime};
use ringest::validate::{ValidateLimits, Validation, Validator};

const BODY_BYTES: usize = 10 << 20;

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

/// Runs of each body, of which the best counts.
const RUNS: usize = 3;

fn main() {
    let name = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let mut results: Vec<_> = costly(BODY_BYTES)
        .iter()
        .filter(|it| name.as_ref().is_none_or(|name| it.name.contains(name)))
        .map(|it| (measure(it), it.name, it.body.len()))
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
}

/// The longest step, all of them, and how many there are.
fn measure(costly: &Costly) -> (Duration, Duration, usize) {
    let runs = (0..RUNS).map(|_| {
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
