//! Limits of what is in the process at once, with permits that are returned by being dropped.

use std::{cell::Cell, rc::Rc, sync::Arc};

use crate::sync::atomic::{AtomicUsize, Ordering};

/// One worker's budget of memory for bodies being read and records not yet acknowledged.
///
/// A permit covers the capacity retained, not only the bytes used of it.
#[derive(Debug)]
pub struct Admission {
    in_flight_bytes: Cell<usize>,
    in_flight_bytes_max: usize,
}

/// The worker's budget is used up. The client may retry: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for data in flight is used up")]
pub struct AdmissionError;

impl Admission {
    /// A budget of `in_flight_bytes_max` bytes, all free.
    pub fn new(in_flight_bytes_max: usize) -> Self {
        Self {
            in_flight_bytes: Cell::new(0),
            in_flight_bytes_max,
        }
    }

    /// Bytes of all permits.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes.get()
    }

    /// Bytes that no permit has.
    pub fn free_bytes(&self) -> usize {
        self.in_flight_bytes_max - self.in_flight_bytes.get()
    }

    /// Takes `bytes` from the budget until the permit is dropped.
    ///
    /// # Errors
    /// [`AdmissionError`] when less is left.
    pub fn admit(self: &Rc<Self>, bytes: usize) -> Result<Permit, AdmissionError> {
        let taken = self.in_flight_bytes.get() + bytes;
        if taken > self.in_flight_bytes_max {
            return Err(AdmissionError);
        }
        self.in_flight_bytes.set(taken);
        Ok(Permit {
            admission: Rc::clone(self),
            bytes,
        })
    }
}

/// A permit for bytes of the budget, returned on drop.
#[derive(Debug)]
pub struct Permit {
    admission: Rc<Admission>,
    bytes: usize,
}

impl Permit {
    /// Takes `more` bytes; none are returned before the drop.
    ///
    /// # Errors
    /// [`AdmissionError`] when less is left; the permit stays as it was.
    pub fn grow_by(&mut self, more: usize) -> Result<(), AdmissionError> {
        let mut extra = self.admission.admit(more)?;
        self.bytes += std::mem::take(&mut extra.bytes);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let held = &self.admission.in_flight_bytes;
        held.set(held.get() - self.bytes);
    }
}

/// Connections of the whole process. Used on accept and close only, so the workers can share it.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    max: usize,
}

impl Connections {
    /// For at most `max` connections.
    pub fn new(max: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            max,
        }
    }

    /// Admits one connection until the guard is dropped; `None` at the limit.
    pub fn enter(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let guard = ConnectionGuard(Arc::clone(self));
        (open < self.max).then_some(guard)
    }
}

/// The permit of one connection, returned on drop.
#[derive(Debug)]
pub struct ConnectionGuard(Arc<Connections>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_exact_and_returned() {
        let admission = Rc::new(Admission::new(100));
        let mut first = admission.admit(60).expect("60 of 100");
        assert_eq!(admission.admit(41).expect_err("101 of 100"), AdmissionError);
        assert_eq!(admission.free_bytes(), 40);
        let second = admission.admit(40).expect("100 of 100");
        assert_eq!(admission.free_bytes(), 0);
        assert_eq!(first.grow_by(1), Err(AdmissionError));
        drop(second);
        first.grow_by(40).expect("100 of 100");
        first.grow_by(0).expect("nothing more");
        assert_eq!(admission.in_flight_bytes(), 100);
        drop(first);
        assert_eq!(admission.in_flight_bytes(), 0);
    }

    #[test]
    fn connections_are_admitted_up_to_the_limit_and_returned() {
        let connections = Arc::new(Connections::new(2));
        let first = connections.enter().expect("1 of 2");
        let _second = connections.enter().expect("2 of 2");
        assert!(connections.enter().is_none());
        drop(first);
        assert!(connections.enter().is_some());
    }
}
