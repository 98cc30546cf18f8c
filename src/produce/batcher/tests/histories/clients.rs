//! The clients of a history: they wait for an answer, or go away.

use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
    time::Instant,
};

use super::world::{State, World};

/// Wakes a request by putting its number on a list.
struct Bell {
    request: usize,
    rung: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut rung = self.rung.lock().expect("nothing panics meanwhile");
        rung.push(self.request);
    }
}

impl World {
    /// The client of a request goes away.
    pub(super) fn abandon(&mut self) {
        let open = (0..self.requests.len()).filter(|it| !self.requests[*it].closed);
        let open: Vec<_> = open.collect();
        if !open.is_empty() {
            let request = self.random.pick(&open);
            self.note(|| format!("the client of request {request} goes away"));
            self.requests[request].closed = true;
            self.table.abandon(self.requests[request].key);
        }
    }

    /// Answers requests that were woken.
    pub(super) fn answer(&mut self) {
        let rung = std::mem::take(&mut *self.rung.lock().expect("nothing panics meanwhile"));
        for request in rung {
            if !self.requests[request].closed {
                self.poll(request);
            }
        }
        let records = &self.records;
        self.live
            .retain(|it| !matches!(records[*it].state, State::Ended(_)));
    }

    pub(super) fn poll(&mut self, request: usize) {
        let rung = Arc::clone(&self.rung);
        let waker = Waker::from(Arc::new(Bell { request, rung }));
        let key = self.requests[request].key;
        if let Some(end) = self.table.end(key, &waker) {
            self.note(|| format!("request {request} is answered: {end:?}"));
            self.requests[request].closed = true;
            self.check_answer(request, &end);
            // As when the delivery is dropped.
            self.table.abandon(key);
        }
    }

    /// Whether no request waits whose deadline had passed then.
    pub(super) fn all_answered_until(&self, then: Instant) -> bool {
        let mut requests = self.requests.iter();
        requests.all(|it| it.closed || it.deadline > then)
    }

    /// Whether every request was answered or its client has gone.
    pub(super) fn all_closed(&self) -> bool {
        self.requests.iter().all(|it| it.closed)
    }
}
