//! Records to librdkafka without a copy, delivery reports to outcomes. The only importer of
//! rdkafka.
//!
//! One [`Producer`] a worker. Records point into the read buffer that the socket filled; the
//! buffer is held in the in-flight table until every delivery report is in, whatever happens to
//! the connection meanwhile. Delivery reports wake the worker's own ring through a socket pair
//! that the worker reads like any other: no foreign thread touches a task of ours.

mod access;
mod admin;
mod batcher;
mod delivery;
pub mod dev_broker;
mod event;
mod fault;
mod fit;
mod headers;
mod in_flight;
mod kafka;
mod lane;
mod malloc;
mod message;
mod murmur2;
mod outgoing;
mod payload;
pub mod probe;
mod producer;
pub mod properties;
mod record;
mod settings;
mod settings_watch;
mod topic_settings;
mod watch;

pub use access::{BrokerAccess, Token};
pub use delivery::{Delivered, Delivery};
pub use fault::{Failure, Fault, Persisted};
pub use fit::Expected;
pub use headers::Headers;
pub use in_flight::RECORDS_MAX;
pub use kafka::{OpenError, check_whole};
pub(crate) use message::MESSAGE_OVERHEAD_BYTES;
pub(crate) use outgoing::message_bytes_max;
pub use payload::Payloads;
pub use producer::{Producer, Slices};
pub(crate) use record::QUEUED_RECORD_BYTES;
pub use settings::ProducerSettings;
pub(crate) use settings::requests_bytes_max;
pub use watch::BrokerWatch;

#[cfg(test)]
mod tests;
