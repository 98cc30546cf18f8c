//! Whether a worker has more to do than it can do in time.
//!
//! A worker handles all input that there is, and then looks for more: what arrives meanwhile waits that
//! long. Beyond its capacity that becomes as long as clients have connections, until they give up, and all
//! work is for nothing. So once a round has taken [`BURST_MAX`], the worker is overloaded: for a second it
//! serves, in each round, the requests of the first [`ROUND_MAX`], and refuses the others at once.
//!
//! Time of other processes on the same core does not count: refusing requests would not help.

use std::{
    cell::Cell,
    io::{self, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

/// The longest round of a worker that is not overloaded.
const BURST_MAX: Duration = Duration::from_millis(250);

/// In overload: the time in a round after which requests are refused.
const ROUND_MAX: Duration = Duration::from_millis(5);

/// How long a worker stays overloaded after a request was refused.
const OVERLOAD: Duration = Duration::from_secs(1);

/// The load of one worker.
pub(crate) struct Load {
    /// In overload: a byte written here makes the worker call [`has_looked`](Self::has_looked) when it looks
    /// for input next.
    bell: UnixStream,
    /// Since when the worker has not looked for input, at least, and its CPU time then. In overload `None`
    /// until the first request of a round.
    round: Cell<Option<(Instant, Duration)>>,
    overloaded_until: Cell<Option<Instant>>,
}

impl Load {
    /// `bell` is set not to block.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn new(bell: UnixStream) -> io::Result<Self> {
        bell.set_nonblocking(true)?;
        Ok(Self {
            bell,
            round: Cell::new(None),
            overloaded_until: Cell::new(None),
        })
    }

    /// The worker has looked for input since the last call: to be called at every tick, and on the bell.
    pub(crate) fn has_looked(&self) {
        let is_overloaded = self.overloaded_until.get().is_some();
        let now = Instant::now();
        if self
            .overloaded_until
            .get()
            .is_some_and(|until| until <= now)
        {
            self.overloaded_until.set(None);
        }
        self.round.set((!is_overloaded).then(|| (now, cpu_time())));
    }

    /// Whether a request that is handled now has waited for long, and is to be refused.
    pub(crate) fn is_exceeded(&self) -> bool {
        let now = Instant::now();
        let Some((start, cpu)) = self.round.get() else {
            // The first request of a round in overload. If the bell is full, the next tick ends the round.
            let _ = (&self.bell).write(&[0]);
            self.round.set(Some((now, cpu_time())));
            return false;
        };
        let most = match self.overloaded_until.get() {
            None => BURST_MAX,
            Some(_) => ROUND_MAX,
        };
        if now - start < most || cpu_time().saturating_sub(cpu) < most / 2 {
            return false;
        }
        self.overloaded_until.set(Some(now + OVERLOAD));
        true
    }
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::MAX, Duration::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn work(time: Duration) {
        let start = cpu_time();
        while cpu_time().saturating_sub(start) < time {}
    }

    #[test]
    fn requests_behind_a_long_round_are_refused_until_the_worker_keeps_up() {
        let (bell, mut heard) = UnixStream::pair().expect("a socket pair");
        let load = Load::new(bell).expect("a socket");
        load.has_looked();
        work(BURST_MAX / 4);
        assert!(!load.is_exceeded(), "a burst");
        load.has_looked();
        work(BURST_MAX + ROUND_MAX);
        assert!(load.is_exceeded());
        // Now a round is short.
        load.has_looked();
        assert!(!load.is_exceeded(), "the first request of a round");
        heard.read_exact(&mut [0]).expect("the bell");
        assert!(!load.is_exceeded());
        work(ROUND_MAX + Duration::from_millis(1));
        assert!(load.is_exceeded());
        assert!(load.is_exceeded());
        load.has_looked();
        assert!(!load.is_exceeded());
        std::thread::sleep(2 * ROUND_MAX);
        assert!(!load.is_exceeded(), "the worker has not worked");
        std::thread::sleep(OVERLOAD);
        load.has_looked();
        load.has_looked();
        work(2 * ROUND_MAX);
        assert!(!load.is_exceeded(), "overload is over");
    }
}
