//! The answer to every request.

use std::time::{SystemTime, UNIX_EPOCH};

/// The response, formatted once a second because of its `Date`.
#[derive(Default)]
pub struct Answer {
    text: Vec<u8>,
    second: u64,
}

impl Answer {
    /// The bytes of the response at this time.
    pub fn at(&mut self, now: SystemTime) -> &[u8] {
        let second = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second != self.second {
            self.second = second;
            self.text = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\
                 Date: {}\r\n\r\n{{\"accepted\":1}}",
                httpdate::fmt_http_date(now)
            )
            .into_bytes();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_date_follows_the_clock() {
        let mut answer = Answer::default();
        let first = answer.at(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert!(first.ends_with(b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{\"accepted\":1}"));
        let next = answer.at(UNIX_EPOCH + Duration::from_secs(784_111_778));
        assert!(next.ends_with(b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\n{\"accepted\":1}"));
    }
}
