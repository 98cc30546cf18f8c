//! What can go wrong between a valid record and a good delivery report, and whose fault it is.

use rdkafka::types::RDKafkaErrorCode as Code;

/// Why records were not delivered. Ordered from what a retry mends to what it never will, so that
/// the greatest of a request's faults is the one to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The brokers did not acknowledge in time. Theirs; a retry may succeed.
    TimedOut,
    /// No broker can be reached. Theirs; a retry may succeed.
    BrokerUnavailable,
    /// The producer's queue has no room. Ours: more arrives than the brokers take.
    QueueFull,
    /// The drain's time was over before the brokers acknowledged. Ours.
    Draining,
    /// The producer handle has failed for good and is being replaced. Ours, and passing.
    ProducerFatal,
    /// The topic's own limit is below the record's size. The client's or the operator's.
    RecordTooLarge,
    /// The record has no key, and its topic is compacted. The client's, where the model takes the key
    /// from the record.
    NullKey,
    /// The record's own time is outside of its topic's bounds. The client's.
    TimestampOutOfBounds,
    /// The broker refuses the record as such. The operator's: topic and model do not fit.
    RecordRefused,
    /// The topic does not exist. The operator's.
    TopicMissing,
    /// The brokers do not let us write to the topic. The operator's.
    NotAuthorized,
}

impl Fault {
    /// Whether a broker refuses a whole batch for it: it says nothing then of one record.
    pub(super) fn is_of_a_batch(self) -> bool {
        matches!(
            self,
            Self::RecordTooLarge | Self::NullKey | Self::TimestampOutOfBounds | Self::RecordRefused
        )
    }

    /// What a fault means for a record with or without a key and a time of its own: a broker names
    /// neither, and a client can't mend what it has not sent.
    pub(super) fn of_record(self, is_keyed: bool, is_timed: bool) -> Self {
        match self {
            Self::NullKey if is_keyed => Self::RecordRefused,
            Self::TimestampOutOfBounds if !is_timed => Self::RecordRefused,
            other => other,
        }
    }

    /// What librdkafka or the broker said, by its meaning for the client.
    ///
    /// Codes that are not listed are the brokers' trouble, and so worth a retry: never the
    /// client's.
    pub(super) fn from_code(code: Code) -> Self {
        match code {
            Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut => {
                Self::TimedOut
            }
            Code::QueueFull => Self::QueueFull,
            // Also what librdkafka still has when its handle has failed for good.
            Code::Fatal
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidProducerEpoch
            | Code::ProducerFenced => Self::ProducerFatal,
            Code::MessageSizeTooLarge | Code::InvalidMessageSize => Self::RecordTooLarge,
            // Kafka says it of a record without a key for a compacted topic, and beside that of records
            // that librdkafka does not make. (It has a text as well, which librdkafka 2.12 has freed
            // before the report is read.)
            Code::InvalidRecord => Self::NullKey,
            Code::InvalidTimestamp => Self::TimestampOutOfBounds,
            Code::InvalidDifferentRecord
            | Code::UnsupportedForMessageFormat
            | Code::PolicyViolation => Self::RecordRefused,
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic => Self::TopicMissing,
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Self::NotAuthorized,
            _ => Self::BrokerUnavailable,
        }
    }
}

/// Where the records of a request are that was not delivered in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// None is in the topic, and none will come.
    No,
    /// The brokers may have them. A retry may make duplicates.
    Unknown,
    /// It differs by record; indices as in the request, if nothing of it was invalid.
    Partial {
        /// In the topic, acknowledged.
        delivered: Vec<u32>,
        /// Not in the topic.
        lost: Vec<u32>,
        /// Possibly in the topic.
        unknown: Vec<u32>,
    },
}

/// The end of a request that was not delivered in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gravest of its records' faults.
    pub fault: Fault,
    /// What became of its records.
    pub persisted: Persisted,
}

impl Failure {
    /// Nothing of the request was handed to librdkafka.
    pub fn before_enqueue(fault: Fault) -> Self {
        Self {
            fault,
            persisted: Persisted::No,
        }
    }

    /// The same, said of the records at these indices: what was enqueued were the valid records of
    /// a request, `indices[0]` the first of them.
    pub(crate) fn with_indices(mut self, indices: &[u32]) -> Self {
        if let Persisted::Partial {
            delivered,
            lost,
            unknown,
        } = &mut self.persisted
        {
            for place in delivered.iter_mut().chain(lost).chain(unknown) {
                *place = indices[*place as usize];
            }
        }
        self
    }

    /// How many of the request's `records` are not known to be in the topic.
    pub fn undelivered(&self, records: usize) -> usize {
        match &self.persisted {
            Persisted::No | Persisted::Unknown => records,
            Persisted::Partial { delivered, .. } => records - delivered.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_retry_mends_outranks_what_one_does() {
        let passing = [Fault::TimedOut, Fault::BrokerUnavailable, Fault::QueueFull];
        let lasting = [
            Fault::RecordTooLarge,
            Fault::TopicMissing,
            Fault::NotAuthorized,
        ];
        assert!(passing.iter().max() < lasting.iter().min());
    }

    #[test]
    fn a_client_is_blamed_only_for_what_its_record_has_or_lacks() {
        let [invalid, time] = [Code::InvalidRecord, Code::InvalidTimestamp].map(Fault::from_code);
        assert_eq!(invalid.of_record(false, false), Fault::NullKey);
        assert_eq!(invalid.of_record(true, true), Fault::RecordRefused);
        assert_eq!(time.of_record(false, true), Fault::TimestampOutOfBounds);
        assert_eq!(time.of_record(true, false), Fault::RecordRefused);
        let other = Fault::RecordTooLarge;
        assert_eq!(other.of_record(false, false), other);
    }

    #[test]
    fn an_unlisted_code_is_the_brokers_trouble() {
        assert_eq!(
            Fault::from_code(Code::NotEnoughReplicas),
            Fault::BrokerUnavailable
        );
        assert_eq!(Fault::from_code(Code::Unknown), Fault::BrokerUnavailable);
    }
}
