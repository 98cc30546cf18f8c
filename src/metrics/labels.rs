//! Values of metrics' labels.

use strum::{IntoStaticStr, VariantArray};

/// The I/O driver of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Driver {
    /// `io_uring`.
    IoUring = 1,
    /// epoll.
    Epoll = 2,
}

impl Driver {
    /// The value of the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }
}

/// How a request ended, for its duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(usize)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// With a 2xx.
    Accepted,
    /// With a 4xx: a fault of the client.
    Rejected,
    /// With a 5xx: a fault of the server or the brokers, or too many requests.
    Failed,
}

impl Class {
    /// All of them, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// That of a status; `None`: of none that a request is answered with.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200..300 => Some(Self::Accepted),
            400..500 => Some(Self::Rejected),
            500..600 => Some(Self::Failed),
            _ => None,
        }
    }

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An error of a producer's handle, not of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(usize)]
#[strum(serialize_all = "snake_case")]
pub enum KafkaError {
    /// A connection to a broker could not be made, or has ended.
    Connection,
    /// The name of a broker has no address.
    Resolve,
    /// TLS with a broker has failed.
    Tls,
    /// A broker has rejected the credentials.
    Authentication,
    /// No broker is connected any more.
    AllBrokersDown,
    /// The handle can't be used any more, and is replaced.
    Fatal,
    /// Another one; the log has its text.
    Other,
}

impl KafkaError {
    /// All of them, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
