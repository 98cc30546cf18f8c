//! The in-flight table: every request whose records are not all reported, and the memory they are in.
//!
//! Records that wait in the batcher and those that librdkafka has name their request by an index into this
//! table and a generation, never by a pointer, so that a report can be late, twice or wrong without harm.

use std::{task::Waker, time::Instant};

use slab::Slab;

use super::{
    fault::{Failure, Fault, Persisted},
    headers::Headers,
};
use crate::{
    admission::{Holder, Permit, SHARE},
    buffer::Frozen,
};

/// Records of one request at most.
pub const RECORDS_MAX: usize = 1 << 20;

/// So many a client may have in any case.
const SHARE_MIN: usize = 64;

/// Names a request in the table, and only that one: the slot may be used again, the generation not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    index: u32,
    generation: u32,
}

impl RequestKey {
    /// One that names no request of any table.
    #[cfg(test)]
    pub(super) fn for_test(index: u32) -> Self {
        Self {
            index,
            generation: 0,
        }
    }
}

/// What a request's records lie in until their last report: kept, and given back by being dropped.
#[expect(dead_code, reason = "read through pointers, by librdkafka")]
pub(super) struct Memory {
    pub(super) bytes: Frozen,
    /// What pays for it.
    pub(super) permit: Permit,
    /// The keys of the records, one behind the other.
    pub(super) keys: Vec<u8>,
    /// What every record carries; `None` for nothing.
    pub(super) headers: Option<Box<Headers>>,
}

/// How one record that was not delivered ended.
struct Miss {
    record: u32,
    fault: Fault,
    maybe_persisted: bool,
}

/// One request.
struct Request {
    generation: u32,
    holder: Holder,
    records: usize,
    /// Records without a delivery report.
    pending: usize,
    misses: Vec<Miss>,
    deadline: Instant,
    timed_out: bool,
    /// Whether the end is awaited: not once the client was answered or has gone.
    waiting: bool,
    waker: Option<Waker>,
    /// Released with the entry, and so never before the last delivery report.
    _memory: Memory,
}

/// The table of one worker.
pub(super) struct InFlight {
    requests: Slab<Request>,
    generation: u32,
    /// Records without a report, over all requests.
    records: usize,
    /// Those of each client.
    held: Box<[usize]>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            requests: Slab::new(),
            generation: 0,
            records: 0,
            held: vec![0; Holder::COUNT].into(),
        }
    }
}

impl InFlight {
    /// Requests whose records are not all reported, or whose result is not awaited yet.
    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }

    /// Records that have been enqueued and not reported.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Whether the client may have so many records more, of `records_max` of all clients. One that has many
    /// leaves some for those that come later, as with memory (`admission`).
    pub(super) fn has_room(&self, holder: Holder, records: usize, records_max: usize) -> bool {
        let Some(free) = records_max.checked_sub(self.records + records) else {
            return false;
        };
        let held = self.held[holder.index()] + records;
        let is_within_share = held <= SHARE.saturating_mul(free).max(SHARE_MIN);
        (is_within_share || self.records == 0) && self.requests.len() < u32::MAX as usize
    }

    /// Enters a request before its records are batched, `records` of them pending.
    pub(super) fn enter(
        &mut self,
        records: usize,
        memory: Memory,
        deadline: Instant,
    ) -> RequestKey {
        self.generation = self.generation.wrapping_add(1);
        self.records += records;
        let holder = memory.permit.holder();
        self.held[holder.index()] += records;
        let generation = self.generation;
        let index = self.requests.insert(Request {
            generation,
            holder,
            records,
            pending: records,
            misses: Vec::new(),
            deadline,
            timed_out: false,
            waiting: true,
            waker: None,
            _memory: memory,
        });
        let index = u32::try_from(index).expect("the table had room");
        RequestKey { index, generation }
    }

    fn find(&mut self, key: RequestKey) -> Option<&mut Request> {
        self.requests
            .get_mut(key.index as usize)
            .filter(|request| request.generation == key.generation)
    }

    /// Records that one of a request's records was not delivered: the fault and whether the brokers may have it
    /// nevertheless. False if no such record is pending, which must not happen.
    pub(super) fn failed(
        &mut self,
        key: RequestKey,
        position: u32,
        (fault, maybe_persisted): (Fault, bool),
    ) -> bool {
        if let Some(request) = self.find(key).filter(|request| request.pending > 0) {
            request.misses.push(Miss {
                record: position,
                fault,
                maybe_persisted,
            });
        }
        self.settle(key, 1)
    }

    /// Records that so many of a request's records have ended, which were delivered unless they
    /// [failed](Self::failed). False if fewer are pending, which must not happen.
    pub(super) fn settle(&mut self, key: RequestKey, records: usize) -> bool {
        let Some(request) = self.find(key).filter(|request| request.pending >= records) else {
            return false;
        };
        request.pending -= records;
        let (holder, ended) = (request.holder, request.pending == 0);
        let waiting = request.waiting;
        if ended && let Some(waker) = request.waker.take() {
            waker.wake();
        }
        self.records -= records;
        self.held[holder.index()] -= records;
        if ended && !waiting {
            self.requests.remove(key.index as usize);
        }
        true
    }

    /// The request ends then at the latest.
    pub(super) fn postpone(&mut self, key: RequestKey, deadline: Instant) {
        if let Some(request) = self.find(key) {
            request.deadline = deadline;
        }
    }

    /// Whether the request has ended, or its time is over.
    pub(super) fn has_ended(&self, key: RequestKey) -> bool {
        let request = self.requests.get(key.index as usize);
        request
            .filter(|request| request.generation == key.generation)
            .is_none_or(|request| request.pending == 0 || request.timed_out)
    }

    /// How the request ended, if it has: then the entry is gone, or stays without anyone waiting
    /// until its last report is in. Else `waker` is woken when it ends.
    pub(super) fn end(&mut self, key: RequestKey, waker: &Waker) -> Option<Result<usize, Failure>> {
        let request = self.find(key)?;
        if request.pending == 0 {
            let request = self.requests.remove(key.index as usize);
            return Some(request.into_end());
        }
        if request.timed_out {
            request.waiting = false;
            return Some(Err(request.timed_out_end()));
        }
        match &mut request.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        None
    }

    /// The end of the request is not awaited any more. Its memory stays until its last report.
    pub(super) fn abandon(&mut self, key: RequestKey) {
        if let Some(request) = self.find(key) {
            request.waiting = false;
            request.waker = None;
            if request.pending == 0 {
                self.requests.remove(key.index as usize);
            }
        }
    }

    /// Ends the wait for requests whose deadline has passed without all reports.
    pub(super) fn expire(&mut self, now: Instant) {
        for (_, request) in &mut self.requests {
            if request.waiting && request.pending > 0 && request.deadline <= now {
                request.timed_out = true;
                if let Some(waker) = request.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl Request {
    fn into_end(self) -> Result<usize, Failure> {
        match self.misses.iter().map(|miss| miss.fault).max() {
            None => Ok(self.records),
            Some(fault) => Err(Failure {
                fault,
                persisted: self.persisted(),
            }),
        }
    }

    /// What is not reported yet may be anywhere.
    fn timed_out_end(&self) -> Failure {
        Failure {
            fault: Fault::TimedOut,
            persisted: self.persisted(),
        }
    }

    fn persisted(&self) -> Persisted {
        let lost = self.misses.iter().filter(|miss| !miss.maybe_persisted);
        match lost.count() {
            lost if lost == self.records => Persisted::No,
            // What has no report yet may be anywhere, and a good report may have been for any.
            0 if self.pending > 0 || self.misses.len() == self.records => Persisted::Unknown,
            _ => self.by_record(),
        }
    }

    fn by_record(&self) -> Persisted {
        let mut missed = vec![None; self.records];
        for miss in &self.misses {
            if let Some(slot) = missed.get_mut(miss.record as usize) {
                *slot = Some(miss.maybe_persisted);
            }
        }
        let (mut delivered, mut lost, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (record, missed) in (0_u32..).zip(missed) {
            match missed {
                // Good reports are only counted: while some are pending, one without a miss
                // may be either.
                None if self.pending > 0 => unknown.push(record),
                None => delivered.push(record),
                Some(true) => unknown.push(record),
                Some(false) => lost.push(record),
            }
        }
        Persisted::Partial {
            delivered,
            lost,
            unknown,
        }
    }
}

#[cfg(test)]
mod tests;
