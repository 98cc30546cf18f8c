//! Waiting for what other processes and threads do.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Far beyond what anything takes here, even on a busy machine: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than any test lasts.
pub(crate) const NEVER: Duration = Duration::from_mins(10);

/// Asks again and again until there is an answer, or gives up after `limit`.
pub(crate) fn eventually<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = attempt();
        if answer.is_some() || start.elapsed() > limit {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until it is so; fails the test with this complaint after [`PATIENCE`].
#[track_caller]
pub(crate) fn await_that(complaint: &str, mut is_so: impl FnMut() -> bool) {
    let so = eventually(PATIENCE, || is_so().then_some(()));
    assert!(so.is_some(), "{complaint}");
}
