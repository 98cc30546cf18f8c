//! The configuration: what a person wrote (`raw`), and the one validated, immutable [`Config`]
//! that the rest of the program reads.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use crate::model::Model;

/// Everything that a running ringest needs to know, validated as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Worker threads, each pinned to a core of its own where there are enough.
    pub workers: NonZeroUsize,
    /// The public listener.
    pub listen: Listen,
    /// Where `/metrics`, `/ready` and the like are served; `None` switches them off.
    pub management: Option<SocketAddr>,
    /// Bounds on what one request, one connection and the process may hold.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Who may send.
    pub auth: AuthMode,
    /// Properties for librdkafka, ours first, the operator's last, so that the operator's win.
    pub kafka: Vec<(String, String)>,
    /// What the log looks like.
    pub log_format: LogFormat,
    /// The data models, in the order of their file names.
    pub models: Vec<Arc<Model>>,
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// How sockets are driven.
    pub driver: DriverChoice,
}

/// How sockets are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// io_uring where the kernel grants it, else epoll.
    Auto,
    /// io_uring, or refuse to start.
    IoUring,
    /// epoll.
    Epoll,
}

/// Bounds, in bytes where the name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and header fields of one request.
    pub head_bytes_max: usize,
    /// Header fields of one request.
    pub headers_max: usize,
    /// One request's body, after removal of the chunked coding.
    pub body_bytes_max: usize,
    /// One record.
    pub record_bytes_max: usize,
    /// Records of one request.
    pub records_max: usize,
    /// Arrays and objects around one another, the record itself and the outer array counted.
    pub json_depth_max: usize,
    /// Connections of the process.
    pub connections_max: usize,
    /// Bytes of the process: bodies being read and records not yet acknowledged.
    pub in_flight_bytes_max: usize,
}

/// Deadlines; each is a total, not a pause between bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// Between two requests of a connection, and before its first.
    pub idle: Duration,
    /// From enqueueing to the delivery reports of all records of a request.
    pub ack: Duration,
    /// From the first SIGTERM or SIGINT to exit.
    pub drain: Duration,
}

/// Who may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Anyone who reaches the port.
    None,
}

/// What the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}
