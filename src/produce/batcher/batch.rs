//! Batches, and how they are named.

use std::{ffi::c_void, ptr, time::Instant};

use crate::produce::{fault::Fault, record::Record};

/// Records of one batch at most: what the opaque word has room for.
pub(in crate::produce) const BATCH_RECORDS_MAX: usize = 1 << POSITION_BITS;

pub(super) const POSITION_BITS: u32 = 20;
pub(super) const INDEX_BITS: u32 = 20;
pub(super) const GENERATION_BITS: u32 = 24;
const _: () = assert!(POSITION_BITS + INDEX_BITS + GENERATION_BITS == usize::BITS);

/// Names a batch, and only that one: the slot may be used again, the generation not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::produce) struct BatchKey {
    pub(super) index: usize,
    pub(super) generation: usize,
}

impl BatchKey {
    /// The word that librdkafka hands back with the report of a record of the batch.
    pub(in crate::produce) fn opaque(self, position: usize) -> *mut c_void {
        debug_assert!(position < BATCH_RECORDS_MAX);
        let word = (self.generation << (POSITION_BITS + INDEX_BITS))
            | (self.index << POSITION_BITS)
            | position;
        ptr::without_provenance_mut(word)
    }

    /// What [`opaque`](Self::opaque) was made from.
    pub(in crate::produce) fn from_opaque(opaque: *mut c_void) -> (Self, usize) {
        let word = opaque.addr();
        let index = (word >> POSITION_BITS) & ((1 << INDEX_BITS) - 1);
        let generation = word >> (POSITION_BITS + INDEX_BITS);
        (Self { index, generation }, word & (BATCH_RECORDS_MAX - 1))
    }
}

/// A batch that was handed over.
#[derive(Debug)]
pub(in crate::produce) struct Batch {
    pub(super) generation: usize,
    pub(in crate::produce) topic: usize,
    /// `None`: librdkafka places its records.
    pub(in crate::produce) partition: Option<usize>,
    /// Which producer handle it goes to.
    pub(in crate::produce) lane: usize,
    pub(in crate::produce) records: Vec<Record>,
    pub(super) broker: Option<usize>,
    pub(super) kind: Kind,
    pub(super) sent: Instant,
    /// Records without a report.
    pub(super) pending: usize,
    pub(super) refused: Option<Fault>,
    /// Whether a record was given up because no answer came.
    pub(super) unanswered: bool,
    pub(super) failed: bool,
    /// Whether the broker rejected a record, or the batch for one: it has answered.
    pub(super) rejected: bool,
}

impl Batch {
    /// The partition that gets no other batch meanwhile.
    pub(super) fn occupies(&self) -> Option<usize> {
        let is_alone = matches!(self.kind, Kind::Alone { .. });
        self.partition.filter(|_| !is_alone)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of [`Topic::queue`].
    Any,
    /// Of a partition's own queue.
    Keyed,
    /// One record of a batch that was refused; whether it keeps back what follows it in its partition.
    Alone { holds: bool },
}

impl Kind {
    /// Whether the records of such a batch may have keys, and so an order.
    pub(super) fn is_ordered(self, partition: Option<usize>) -> bool {
        match self {
            Self::Any => partition.is_none(),
            Self::Keyed => true,
            Self::Alone { .. } => false,
        }
    }
}

/// Why a record was not delivered, and whether the brokers may have it nevertheless.
pub(in crate::produce) type Failure = (Fault, bool);

/// What the report of a failure means.
#[derive(Debug)]
pub(in crate::produce) enum Reported {
    /// The record has ended.
    Final(Record, Failure),
    /// The batch was refused: the record is sent again, alone.
    SentAgain,
    /// No such record is out: it must not happen.
    Unknown,
}
