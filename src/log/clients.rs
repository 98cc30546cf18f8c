//! Which clients have caused the events that one line stands for.

use crate::networks::ClientAddress;

/// Clients that are counted at a time.
const CLIENTS_MAX: usize = 16;

/// The most frequent clients in bounded memory, by the "space-saving" algorithm (Metwally, Agrawal, El Abbadi 2005): a
/// new client replaces the rarest one and inherits its count. A client with more than a sixteenth of the events is
/// among them, with a count that is exact, or an upper bound once clients were replaced.
#[derive(Debug)]
pub(super) struct Clients {
    counts: Vec<(ClientAddress, u64)>,
    /// Whether there were more than fit.
    has_more: bool,
}

impl Clients {
    /// None.
    pub(super) const fn new() -> Self {
        Self {
            counts: Vec::new(),
            has_more: false,
        }
    }

    /// Counts an event.
    pub(super) fn count(&mut self, client: ClientAddress) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(it, _)| *it == client) {
            *count += 1;
        } else if self.counts.len() < CLIENTS_MAX {
            self.counts.push((client, 1));
        } else if let Some(rarest) = self.counts.iter_mut().min_by_key(|(_, count)| *count) {
            *rarest = (client, rarest.1 + 1);
            self.has_more = true;
        }
    }

    /// The only client, or the most frequent one with its events and how many others there are; `None` of no event.
    /// From here on none has an event.
    pub(super) fn take(&mut self) -> Option<String> {
        let (most, count) = *self.counts.iter().max_by_key(|(_, count)| *count)?;
        let others = self.counts.len() - 1;
        let text = match (others, self.has_more) {
            (0, _) => most.to_string(),
            (1, _) => format!("{most} ({count}), 1 other"),
            (_, false) => format!("{most} ({count}), {others} others"),
            (_, true) => format!("{most} (at most {count}), {others} others or more"),
        };
        self.counts.clear();
        self.has_more = false;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn client(number: u32) -> ClientAddress {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)).into()
    }

    #[test]
    fn the_most_frequent_client_is_named_in_bounded_memory() {
        let mut clients = Clients::new();
        let mut taken = |events: &mut dyn Iterator<Item = u32>| {
            events.for_each(|it| clients.count(client(it)));
            assert!(clients.counts.len() <= CLIENTS_MAX);
            clients.take()
        };
        assert_eq!(taken(&mut std::iter::empty()), None);
        for (events, text) in [
            (&[1][..], "10.0.0.1"),
            (&[1, 1], "10.0.0.1"),
            (&[1, 2, 2], "10.0.0.2 (2), 1 other"),
            (&[3, 1, 2, 3], "10.0.0.3 (2), 2 others"),
        ] {
            assert_eq!(taken(&mut events.iter().copied()).as_deref(), Some(text));
        }
        // Each third event is of one client, the others are each of another one.
        let mut flood = (0..30_000).map(|it| if it % 3 == 0 { 7 } else { 100 + it });
        let text = taken(&mut flood).expect("clients");
        assert!(text.starts_with("10.0.0.7 (at most 1"), "{text}");
        assert!(text.ends_with("), 15 others or more"), "{text}");
    }
}
