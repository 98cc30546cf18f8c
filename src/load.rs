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

/// So many answers in a round are few: each is sent at once, by a system call of its own. More are cheaper
/// together.
const FEW: u32 = 8;

/// The load of one worker.
pub(crate) struct Load {
    /// In overload: a byte written here makes the worker call [`has_looked`](Self::has_looked) when it looks
    /// for input next.
    bell: UnixStream,
    /// Since when the worker has not looked for input, at least. In overload `None` until the first request of
    /// a round.
    round: Cell<Option<Instant>>,
    /// Its CPU time at the last tick; in overload, at the first request of a round.
    cpu: Cell<Duration>,
    overloaded_until: Cell<Option<Instant>>,
    /// Answers since the worker has looked for input.
    answers: Cell<u32>,
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
            cpu: Cell::new(cpu_time()),
            overloaded_until: Cell::new(None),
            answers: Cell::new(0),
        })
    }

    /// The worker has looked for input since the last call, to be called at every tick.
    pub(crate) fn tick(&self) {
        self.has_looked();
        if self.round.get().is_some() {
            self.cpu.set(cpu_time());
        }
    }

    /// The worker has looked for input since the last call, to be called on the bell.
    pub(crate) fn has_looked(&self) {
        self.answers.set(0);
        let is_overloaded = self.overloaded_until.get().is_some();
        let now = Instant::now();
        if self
            .overloaded_until
            .get()
            .is_some_and(|until| until <= now)
        {
            self.overloaded_until.set(None);
        }
        self.round.set((!is_overloaded).then_some(now));
    }

    /// Whether the answer that is sent now is one of few since the worker has looked for input.
    pub(crate) fn answers_few(&self) -> bool {
        let answers = self.answers.get();
        self.answers.set(answers + 1);
        answers < FEW
    }

    /// Whether a request that is handled `now` has waited for long, and is to be refused.
    pub(crate) fn is_exceeded(&self, now: Instant) -> bool {
        let Some(start) = self.round.get() else {
            // The first request of a round in overload. If the bell is full, the next tick ends the round.
            let _ = (&self.bell).write(&[0]);
            self.round.set(Some(now));
            self.cpu.set(cpu_time());
            return false;
        };
        let most = match self.overloaded_until.get() {
            None => BURST_MAX,
            Some(_) => ROUND_MAX,
        };
        if now - start < most || cpu_time().saturating_sub(self.cpu.get()) < most / 2 {
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
    fn the_first_answers_of_a_round_are_few() {
        let (bell, _) = UnixStream::pair().expect("a socket pair");
        let load = Load::new(bell).expect("a socket");
        for _ in 0..2 {
            assert!((0..FEW).all(|_| load.answers_few()));
            assert!(!load.answers_few());
            load.has_looked();
        }
    }

    #[test]
    fn requests_behind_a_long_round_are_refused_until_the_worker_keeps_up() {
        let (bell, mut heard) = UnixStream::pair().expect("a socket pair");
        let load = Load::new(bell).expect("a socket");
        let is_exceeded = || load.is_exceeded(Instant::now());
        load.has_looked();
        work(BURST_MAX / 4);
        assert!(!is_exceeded(), "a burst");
        load.has_looked();
        work(BURST_MAX + ROUND_MAX);
        assert!(is_exceeded());
        // Now a round is short.
        load.has_looked();
        assert!(!is_exceeded(), "the first request of a round");
        heard.read_exact(&mut [0]).expect("the bell");
        assert!(!is_exceeded());
        work(ROUND_MAX + Duration::from_millis(1));
        assert!(is_exceeded());
        assert!(is_exceeded());
        load.has_looked();
        assert!(!is_exceeded());
        std::thread::sleep(2 * ROUND_MAX);
        assert!(!is_exceeded(), "the worker has not worked");
        std::thread::sleep(OVERLOAD);
        load.has_looked();
        load.has_looked();
        work(2 * ROUND_MAX);
        assert!(!is_exceeded(), "overload is over");
    }
}
