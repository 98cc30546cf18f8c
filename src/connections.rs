//! The connections of the whole process, and how many of them one client address may have.
//!
//! Used on accept and close only, so that the workers can share them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

/// Connections in the reserve of a worker. When it is full, the oldest gives way.
pub const RESERVE: usize = 32;

/// Connections of a worker that give way and are not gone yet, at most.
pub const LEAVING_MAX: usize = 32;

/// Connections of a worker beyond `connections_max`, at most.
pub const BEYOND_MAX: usize = RESERVE + LEAVING_MAX;

/// No place for another connection, unless one that idles gives way. Overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// `connections_max` are open.
    #[error("all connections are in use")]
    Full,
    /// Too many of them are this subnet's.
    #[error("all connections of this address are in use")]
    SubnetFull,
}

/// Connections of the whole process.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    max: usize,
    per_subnet_max: Option<usize>,
    by_subnet: Mutex<HashMap<u64, usize>>,
}

impl Connections {
    /// For at most `max` connections, and `per_subnet_max` from one subnet; 0: a quarter of `max` while
    /// more than seven eighths of `max` are open, as many as there are before.
    pub fn new(max: usize, per_subnet_max: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            max,
            per_subnet_max: (per_subnet_max > 0).then_some(per_subnet_max),
            by_subnet: Mutex::new(HashMap::new()),
        }
    }

    /// Admits one connection until the guard is dropped. `subnet`: the number of the client's
    /// `Subnet`. `None` stands for a client whose connections
    /// are other clients' too: only `max` bounds them.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn enter(
        self: &Arc<Self>,
        subnet: Option<u64>,
    ) -> Result<ConnectionGuard, ConnectionError> {
        let (guard, open, of_subnet) = self.count(subnet);
        if of_subnet > self.subnet_max(open) {
            return Err(ConnectionError::SubnetFull);
        }
        if open > self.max {
            return Err(ConnectionError::Full);
        }
        Ok(guard)
    }

    /// Admits a connection in the place of one that is being closed, and still counted.
    pub fn replace(self: &Arc<Self>, subnet: Option<u64>) -> ConnectionGuard {
        self.count(subnet).0
    }

    /// The limit for the whole process.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Whether as many are open as may be.
    pub fn are_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.max
    }

    /// How many one subnet may have while `open` are open.
    fn subnet_max(&self, open: usize) -> usize {
        let is_near = open > self.max - self.max / 8;
        match self.per_subnet_max {
            Some(max) => max,
            None if is_near => (self.max / 4).max(1),
            None => usize::MAX,
        }
    }

    /// Counts one more: its guard, and how many are open now, of all and of its subnet.
    fn count(self: &Arc<Self>, subnet: Option<u64>) -> (ConnectionGuard, usize, usize) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        let of_subnet = subnet.map_or(0, |subnet| {
            let mut by_subnet = self.by_subnet();
            let count = by_subnet.entry(subnet).or_default();
            *count += 1;
            *count
        });
        let guard = ConnectionGuard {
            connections: Arc::clone(self),
            subnet,
        };
        (guard, open, of_subnet)
    }

    fn by_subnet(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        // No code panics while it holds the lock.
        (self.by_subnet.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit of one connection, returned on drop.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    subnet: Option<u64>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        let Some(subnet) = self.subnet else {
            return;
        };
        let mut by_subnet = self.connections.by_subnet();
        if let Some(count) = by_subnet.get_mut(&subnet) {
            *count -= 1;
            if *count == 0 {
                by_subnet.remove(&subnet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_admitted_up_to_the_limit_and_returned() {
        let connections = Arc::new(Connections::new(2, 2));
        let first = connections.enter(None).expect("1 of 2");
        assert!(!connections.are_full());
        let _second = connections.enter(None).expect("2 of 2");
        assert!(connections.are_full());
        assert_eq!(
            connections.enter(None).expect_err("3 of 2"),
            ConnectionError::Full
        );
        drop(connections.replace(None));
        drop(first);
        assert!(connections.enter(None).is_ok());
    }

    #[test]
    fn a_subnet_has_its_limit_at_any_time_if_one_is_set() {
        let connections = Arc::new(Connections::new(100, 2));
        let (one, other) = (1, 2);
        let first = connections.enter(Some(one)).expect("1 of 2");
        let _second = connections.enter(Some(one)).expect("2 of 2");
        let refused = connections.enter(Some(one)).expect_err("3 of 2");
        assert_eq!(refused, ConnectionError::SubnetFull);
        let _another = connections.enter(Some(other)).expect("1 of 2");
        drop(first);
        let first = connections.enter(Some(one)).expect("2 of 2");
        drop(first);
        assert_eq!(connections.by_subnet().len(), 2);
    }

    /// One client may have seven eighths, so that a proxy is no client less than many: the rest is for others.
    #[test]
    fn the_last_eighth_is_for_subnets_below_their_share() {
        let connections = Arc::new(Connections::new(80, 0));
        let (one, other) = (1, 2);
        let mut held: Vec<_> = std::iter::from_fn(|| connections.enter(Some(one)).ok()).collect();
        assert_eq!(held.len(), 70);
        let others = std::iter::from_fn(|| connections.enter(Some(other)).ok());
        held.extend(others);
        assert_eq!(held.len(), 80);
        let refused = connections.enter(None).expect_err("81 of 80");
        assert_eq!(refused, ConnectionError::Full);
        drop(held);
        assert_eq!(connections.by_subnet().len(), 0);
    }
}
