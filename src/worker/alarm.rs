//! Timers of a worker that its ring, or its epoll, waits for as for a socket. A timer of monoio's is set anew
//! each time that the worker goes to sleep, and removed each time that it wakes; these are set when they change.

use std::{
    io,
    os::{fd::AsFd, unix},
    time::{Duration, Instant},
};

use monoio::net::UnixStream;
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

/// To this an alarm is rounded up, so that what is due in the same moment is done in one go.
const GRAIN: Duration = Duration::from_millis(1);

/// A timer of the kernel's.
pub(super) struct Alarm {
    timer: TimerFd,
    /// The same, for monoio: it waits for sockets.
    waited_for: UnixStream,
    began: Instant,
}

impl Alarm {
    /// An alarm that does not ring. Call it in the worker's runtime.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(super) fn unset() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let same = timer.as_fd().try_clone_to_owned()?;
        let waited_for = UnixStream::from_std(unix::net::UnixStream::from(same))?;
        Ok(Self {
            timer,
            waited_for,
            began: Instant::now(),
        })
    }

    /// An alarm that rings again and again.
    ///
    /// # Errors
    /// As for [`unset`](Self::unset).
    pub(super) fn every(interval: Duration) -> io::Result<Self> {
        let alarm = Self::unset()?;
        let interval = Expiration::Interval(TimeSpec::from_duration(interval));
        alarm.timer.set(interval, TimerSetTimeFlags::empty())?;
        Ok(alarm)
    }

    /// Rings once, at `due` or up to a [`GRAIN`] later.
    pub(super) fn set(&self, due: Instant) {
        let since = due.saturating_duration_since(self.began).as_nanos();
        let grains = since.div_ceil(GRAIN.as_nanos());
        let rounded = self.began + GRAIN * u32::try_from(grains).unwrap_or(u32::MAX);
        // At 0 it would never ring.
        let wait = rounded.saturating_duration_since(Instant::now());
        let wait = wait.max(Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(wait));
        self.timer
            .set(once, TimerSetTimeFlags::empty())
            .expect("the time is valid");
    }

    /// Waits until it rings.
    pub(super) async fn rings(&self) {
        loop {
            let waited = self.waited_for.readable(false).await;
            waited.expect("a timer can be waited for");
            if self.timer.wait().is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::DriverChoice, worker::runtime};

    /// Longer than the grain.
    const WAIT: Duration = Duration::from_millis(20);

    fn on_each_driver(test: impl AsyncFn()) {
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            let (mut runtime, _) = runtime::build(0, choice).expect("a runtime");
            runtime.block_on(test());
        }
    }

    #[test]
    fn it_rings_when_it_is_due_and_once() {
        on_each_driver(async || {
            let alarm = Alarm::unset().expect("a timer");
            for wait in [WAIT, Duration::ZERO, GRAIN / 3, WAIT] {
                let due = Instant::now() + wait;
                alarm.set(due);
                alarm.rings().await;
                assert!(Instant::now() >= due, "{wait:?}");
                assert!(alarm.timer.wait().is_err(), "it has rung twice");
            }
            // What is past is due now.
            alarm.set(Instant::now().checked_sub(WAIT).expect("a time"));
            alarm.rings().await;
        });
    }

    #[test]
    fn the_last_time_that_is_set_counts() {
        on_each_driver(async || {
            let alarm = Alarm::unset().expect("a timer");
            let begin = Instant::now();
            alarm.set(begin + Duration::from_hours(1));
            alarm.set(begin + WAIT);
            alarm.rings().await;
            assert!(begin.elapsed() >= WAIT);
        });
    }

    #[test]
    fn one_that_rings_again_and_again_keeps_its_interval() {
        on_each_driver(async || {
            let begin = Instant::now();
            let alarm = Alarm::every(WAIT).expect("a timer");
            for _ in 0..3 {
                alarm.rings().await;
            }
            assert!(begin.elapsed() >= 3 * WAIT);
            // What was missed is no reason to ring twice.
            std::thread::sleep(3 * WAIT);
            alarm.rings().await;
            assert!(alarm.timer.wait().is_err(), "it has rung twice");
        });
    }
}
