//! What the integration tests share: a running ringest, brokers to point it at, an HTTP client that
//! sends exactly the given bytes, and numbered records.
//!
//! - [`ringest::Ringest`]: the binary, started on free ports, stopped with the test.
//! - [`http::Http`]: one connection to it.
//! - [`kafka::Kafka`]: a real Apache Kafka of the test's own; [`mock::Mock`]: librdkafka's scripted one.
//! - [`cluster::Cluster`]: topics of any cluster, and what they hold.
//! - [`server::Server`]: an HTTP server for what ringest asks of others, over TLS where wanted.
//! - [`tls`]: certificates, and what a client of TLS trusts.
//! - [`compress`]: bodies as clients compress them.
//! - [`event`]: the model, topic and record of most tests; [`wait`]: how long to wait for what.
//! - [`frozen`]: threads of a ringest that are stuck; [`seccomp`]: system calls that it is refused.
//! - [`records`]: records that a number makes, so that lost, changed and invented ones show.
#![expect(
    dead_code,
    reason = "each test binary compiles all of this and uses its part: none needs both brokers"
)]

pub(crate) mod cluster;
pub(crate) mod compress;
pub(crate) mod event;
pub(crate) mod frozen;
pub(crate) mod http;
pub(crate) mod jars;
pub(crate) mod kafka;
pub(crate) mod mock;
pub(crate) mod process;
pub(crate) mod records;
pub(crate) mod ringest;
pub(crate) mod seccomp;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod wait;
