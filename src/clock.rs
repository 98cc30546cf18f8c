//! Coarse time, updated once a tick: for deadlines and for the `Date` header of responses, which is
//! formatted once a second.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime},
};

/// Length of an HTTP date in bytes (RFC 9110 section 5.6.7, IMF-fixdate).
pub const HTTP_DATE_BYTES: usize = 29;

/// The clock of one worker; accurate to a tick.
#[derive(Debug)]
pub struct Clock {
    now: Cell<Instant>,
    second: Cell<u64>,
    http_date: Cell<[u8; HTTP_DATE_BYTES]>,
}

impl Clock {
    /// A clock set to the current time.
    pub fn new() -> Self {
        let clock = Self {
            now: Cell::new(Instant::now()),
            second: Cell::new(0),
            http_date: Cell::new([b' '; HTTP_DATE_BYTES]),
        };
        clock.tick(Instant::now(), SystemTime::now());
        clock
    }

    /// Sets the clock.
    pub fn tick(&self, now: Instant, date: SystemTime) {
        self.now.set(now);
        let since = date
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        if self.second.replace(since.as_secs()) != since.as_secs() {
            let text = httpdate::fmt_http_date(date);
            if let Ok(date) = text.as_bytes().try_into() {
                self.http_date.set(date);
            }
        }
    }

    /// The time at the last tick.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// The time at the last tick in the format of the `Date` header.
    pub fn http_date(&self) -> [u8; HTTP_DATE_BYTES] {
        self.http_date.get()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_date_follows_the_ticks() {
        let clock = Clock::new();
        clock.tick(
            Instant::now(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        );
        assert_eq!(&clock.http_date(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        clock.tick(
            Instant::now(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_778),
        );
        assert_eq!(&clock.http_date(), b"Sun, 06 Nov 1994 08:49:38 GMT");
    }
}
