//! The configuration: what was written (`raw`), and the validated, immutable [`Config`] that
//! the rest of the program reads. All errors are reported at once, each with its position.

mod auth;
mod cors;
mod kafka;
mod key;
mod keys;
mod listen;
mod listen_address;
mod log_filter;
mod memory;
mod quotas;
mod raw;
mod reader;
mod registry;
mod reload;
mod resolve;
mod tls;
mod traces;
mod written;

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use listen_address::ListenAddress;
pub use memory::MemoryMax;
pub use reload::RestartRequiredError;
use written::Written;

use crate::{
    auth::Auth,
    cors::Cors,
    document::ConfigErrors,
    http::Codings,
    log::LogSettings,
    model::Model,
    networks::Network,
    oauth::TokenSettings,
    produce::{Expected, OpenError, check_whole, message_bytes_max, properties::property},
    registry::SchemaRegistry,
    route::RouteTable,
    samples::Samples,
    tls::Tls,
    traces::TraceSettings,
    validate::ValidateLimits,
};

/// The configuration of a running ringest, validated as a whole.
///
/// [`Config::kafka`] may hold passwords: never log it or the whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was written.
    pub source: Source,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Whether each is pinned to a core of its own.
    pub pin: Pin,
    /// The public listener.
    pub listen: Listen,
    /// Where `/metrics`, `/ready` and the like are served; `None` switches them off.
    pub management: Option<SocketAddr>,
    /// The last invalid records, where they are kept for the page of the management listener.
    pub samples: Option<Arc<Samples>>,
    /// Whether it is that of `--dev`.
    pub is_dev: bool,
    /// Bounds on what one request, one connection and the process may hold.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Authentication.
    pub auth: Auth,
    /// Properties for librdkafka, those with a default of ringest first. No property is repeated:
    /// the operator's value replaces the default, under the name of the default (so always
    /// `bootstrap.servers`, `acks`, `message.timeout.ms`); other properties have the name that the
    /// operator wrote, but for `linger.ms`, which is always called so.
    pub kafka: Vec<(String, String)>,
    /// The files that values of [`Config::kafka`] are from.
    kafka_files: kafka::Files,
    /// Where tokens for the brokers come from, if they want any.
    pub tokens: Option<TokenSettings>,
    /// Producer handles of each worker; `None`: one, and more while batches wait for one.
    pub producers: Option<usize>,
    /// The registry that resolves the subjects that models name to schema IDs.
    pub schema_registry: Option<SchemaRegistry>,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Traces of requests; `None`: there are none.
    pub traces: Option<TraceSettings>,
    /// The data models, in the order of their file names.
    pub models: Vec<Arc<Model>>,
    /// The configuration file and the directory of the models, if a change of them triggers a reload.
    pub sources: Vec<PathBuf>,
    /// Warnings for the operator, one line each.
    pub warnings: Vec<String>,
    /// The values as written, to compare with another configuration.
    written: Written,
}

impl Config {
    /// Reads a configuration file, its models and its key files. Variables of `environment` (all
    /// variables of the process) that start with `RINGEST_` override the file, and
    /// `MOOSE_INGEST_API_KEY` adds a key.
    ///
    /// # Errors
    /// All errors in them at once.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        resolve::load(path, environment)
    }

    /// As [`Config::load`], for commands that serve nothing: authentication need not be configured.
    /// No key file is read, and [`Config::auth`] is without the issuers that have one.
    ///
    /// # Errors
    /// As [`Config::load`], except that `auth.mode` and key files may be missing.
    pub fn load_to_inspect(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        resolve::load_to_inspect(path, environment, false)
    }

    /// As [`Config::load_to_inspect`], for commands that connect to the brokers: the files of `[kafka]` are
    /// read.
    ///
    /// # Errors
    /// As [`Config::load_to_inspect`], and files of `[kafka]`.
    pub fn load_to_connect(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        resolve::load_to_inspect(path, environment, true)
    }

    /// The configuration of `--dev`: no file, the sample models, loopback, no authentication, the
    /// given brokers. Variables of `environment` override it, except for the brokers; `models`, a directory, overrides
    /// both.
    ///
    /// # Errors
    /// All errors in the environment and in the models that it names.
    pub fn development(
        brokers: &str,
        models: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigErrors> {
        resolve::development(brokers, models, environment)
    }

    /// A route for each model.
    pub fn routes(&self) -> RouteTable {
        RouteTable::below(&self.listen.path_prefix, &self.models)
    }

    /// The value of a property for librdkafka, by its name in [`Config::kafka`].
    pub fn kafka_property(&self, name: &str) -> Option<&str> {
        property(&self.kafka, name)
    }

    /// Records that a worker's producer holds at most: librdkafka's own bound on its queue.
    pub fn queue_records_max(&self) -> usize {
        let max = self.kafka_property("queue.buffering.max.messages");
        max.and_then(|max| max.parse().ok()).unwrap_or(usize::MAX)
    }

    /// What the topics of the models are expected to take.
    pub fn expected_topics(&self) -> Expected {
        let acks = self.kafka_property("acks").unwrap_or_default();
        Expected {
            models: self.models.clone(),
            record_bytes_max: self.limits.record_bytes_max,
            acks_all: acks == "-1" || acks.eq_ignore_ascii_case("all"),
        }
    }

    /// Files and directories; a change of one triggers a reload.
    pub fn watched(&self) -> Vec<PathBuf> {
        let of_tls = self.listen.tls.iter().flat_map(|tls| tls.files());
        let of_kafka = self.kafka_files.named.iter().map(|(_, path)| path);
        let all = self.auth.key_files.iter().chain(of_tls).chain(of_kafka);
        all.chain(&self.sources).cloned().collect()
    }

    /// Whether clients with the properties of another configuration may be used as they are, or have to be
    /// replaced.
    pub fn has_same_kafka(&self, other: &Self) -> bool {
        self.kafka == other.kafka && self.kafka_files == other.kafka_files
    }

    /// Checks with librdkafka that the properties of `[kafka]` go together.
    ///
    /// # Errors
    /// What librdkafka says, and the files that the values are from.
    pub fn check_kafka(&self) -> Result<(), String> {
        check_whole(&self.kafka).map_err(|error| self.explain_kafka(&error))
    }

    /// An error of librdkafka's with the files that the values of the properties are from.
    pub fn explain_kafka(&self, error: &OpenError) -> String {
        let named = self.kafka_files.named.iter();
        let named = named.map(|(key, path)| format!("{key} = {}", path.display()));
        match &named.collect::<Vec<_>>()[..] {
            [] => error.to_string(),
            files => format!("{error} (files: {})", files.join(", ")),
        }
    }

    /// How the memory for data in flight is divided.
    pub fn in_flight_shares(&self) -> InFlightShares {
        let (all, workers) = (self.limits.in_flight_bytes_max, self.workers.get());
        let message = message_bytes_max(&self.kafka);
        let needed = resolve::in_flight_needed_by(&self.models, &self.limits, message);
        let of_worker = needed.max(all / workers / 2).min(all / workers);
        InFlightShares {
            of_worker,
            shared: all - of_worker * workers,
        }
    }

    /// The most memory that the configuration allows.
    pub fn memory_max(&self) -> MemoryMax {
        MemoryMax::new(self)
    }
}

/// Where a configuration was written, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file, as the command line names it.
    pub file: String,
    /// The names of the environment variables that override it, or add to it; sorted.
    pub environment: Vec<String>,
}

/// The public listener.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Where it is.
    pub address: ListenAddress,
    /// The permission bits of the file of a unix socket.
    pub socket_mode: u32,
    /// How sockets are driven.
    pub driver: DriverChoice,
    /// The proxies that are believed about their clients' addresses: by `X-Forwarded-For`, `Forwarded`
    /// and the PROXY protocol.
    pub trusted_proxies: Vec<Network>,
    /// Which pages of other origins may send, and read the answers; `None`: none.
    pub cors: Option<Arc<Cors>>,
    /// How connections are encrypted; `None`: they are not.
    pub tls: Option<Arc<Tls>>,
    /// Before the path of every route; `""` or [`crate::model::is_path`].
    pub path_prefix: String,
}

/// How sockets are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DriverChoice {
    /// `io_uring` if the kernel permits it, else epoll.
    Auto,
    /// `io_uring`, or refuse to start.
    IoUring,
    /// epoll.
    Epoll,
}

/// Whether each worker is pinned to a core of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Pin {
    /// If there is a worker for every core that this process may run on, and no cgroup limits its CPU time.
    Auto,
    /// If there are enough cores.
    Always,
    /// No.
    Never,
}

/// Bounds, in bytes where the name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and header fields of one request.
    pub head_bytes_max: usize,
    /// Header fields of one request.
    pub headers_max: usize,
    /// One request's body, after removal of the chunked coding: both before and after decompression.
    pub body_bytes_max: usize,
    /// How many times as large a compressed body may become, beyond the first MiB.
    pub compression_ratio_max: usize,
    /// The content codings that a body may have, whose decoders take memory (`listen.content_encodings`).
    pub content_encodings: Codings,
    /// One record.
    pub record_bytes_max: usize,
    /// Records of one request; at most [`Limits::RECORDS_MAX`].
    pub records_max: usize,
    /// Nested arrays and objects, including the record itself and the outer array.
    pub json_depth_max: usize,
    /// Connections of the process.
    pub connections_max: usize,
    /// Connections of one address, a /64 network in IPv6; 0: a share of `connections_max`, while they are
    /// nearly full.
    pub connections_per_address_max: usize,
    /// Bytes of the process: bodies being read and records not yet acknowledged.
    pub in_flight_bytes_max: usize,
    /// Bytes a second: each byte of a body extends its deadline by the time that it takes at this rate.
    pub body_rate_min: usize,
}

/// How `in_flight_bytes_max` is divided, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightShares {
    /// What each worker has in any case: half of an equal share, and enough for any one request.
    pub of_worker: usize,
    /// The rest, which the workers share.
    pub shared: usize,
}

impl Limits {
    /// The upper bound of `records_max`: the opaque value that identifies a record to librdkafka
    /// has 20 bits for its index in the request.
    pub const RECORDS_MAX: u32 = 1 << 20;

    /// The upper bound of `record_bytes_max`: librdkafka's bound on `message.max.bytes`, less
    /// [`Limits::RECORD_OVERHEAD_BYTES`].
    pub const RECORD_BYTES_MAX: u32 = 1_000_000_000 - Self::RECORD_OVERHEAD_BYTES;

    /// The room in the default `message.max.bytes` besides the largest record: for its key and the
    /// framing of a batch with one record (under 150 bytes). The default of both together stays
    /// below what brokers accept by default (`message.max.bytes = 1_048_588`).
    pub const RECORD_OVERHEAD_BYTES: u32 = 10_000;
}

impl From<&Limits> for ValidateLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            record_bytes_max: limits.record_bytes_max,
            records_max: limits.records_max,
            json_depth_max: limits.json_depth_max,
        }
    }
}

/// Deadlines; each but that of a body limits a total, not the pause between bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head, and from the accept of a connection to its
    /// first byte.
    pub head: Duration,
    /// From the end of the head to the end of the body, without the time that its bytes take at
    /// [`Limits::body_rate_min`]; and the longest pause between two of them.
    pub body: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// From the accept of a connection to the answer that ends it; each connection gets a little less.
    pub connection_age_max: Option<Duration>,
    /// From enqueueing to the delivery reports of all records of a request.
    pub ack: Duration,
    /// From the first SIGTERM or SIGINT to the begin of the drain.
    pub drain_delay: Duration,
    /// From the begin of the drain to exit.
    pub drain: Duration,
    /// How long a worker may make no progress until the process ends; `None`: for ever.
    pub worker_stuck: Option<Duration>,
}
