//! **ringest** receives JSON over HTTP, authenticates the client, validates each record against its
//! data model, and forwards the very bytes that arrived to Kafka or Redpanda. A 2xx means that every
//! in-sync replica has the record.
//!
//! # The path of a request
//!
//! A worker is one thread on one core, with a ring, a listener and a producer of its own (`worker`).
//! It accepts a connection (`worker::listener`), which from then on is one task (`connection`, the
//! only place that knows every stage). The connections of a worker share its `context`. A request
//! passes these stages:
//!
//! 1. **read the head**: [`http::HeadParser`] over a pooled [`buffer::ReadBuffer`] →
//!    [`http::RequestHead`];
//! 2. **authenticate**: the credential is found in this core's [`auth::Cache`], or verified with the
//!    [`auth::KeySet`], for which credentials of unauthenticated clients queue (`verification`), fairly
//!    by the client's address, which trusted proxies pass on ([`http::client`]) →
//!    [`auth::Principal`];
//! 3. **route**: [`route::RouteTable::find`], one hash look-up, and [`auth::Principal::authorize`] →
//!    [`auth::AuthorizedRoute`];
//! 4. **charge, admit and read the body**: what the quotas of client and route have left ([`quota::Quotas`]; for
//!    records, behind step 5), memory from the budget ([`admission::Admission`]), then bytes from
//!    the socket into the buffer that librdkafka will read, through a [`http::Decoder`] where they are
//!    compressed;
//! 5. **validate**: [`validate::Validator`] walks the bytes by the model's [`model::Rules`], or simd-json's tape
//!    where something may be wrong → [`validate::ValidBody`], with the span, partition key and timestamp of each
//!    record, or a [`validate::Rejection`] with all errors;
//! 6. **produce**: [`produce::Producer::enqueue`] accepts only an authorized route and a valid body;
//!    for invalid records, dead letters are produced to the model's dead-letter topic
//!    (`dead_letter`);
//! 7. **wait for delivery**: [`produce::Delivery`] ends with the last delivery report →
//!    [`produce::Delivered`];
//! 8. **answer**: the [`outcome::Outcome`] has a row in [`outcome::TABLE`], and
//!    [`response::Responses`] writes the answer.
//!
//! Of the requests that a client has pipelined, several are between steps 6 and 8 at once; they pass each step
//! in their order.
//!
//! # Beside the path
//!
//! A worker serves requests with the active [`snapshot`]: configuration, routes, models and keys. The
//! control thread ([`supervisor`]) publishes another one when the configuration was reloaded or an
//! issuer's keys changed; a worker activates it between two requests.
//!
//! Before serving, the control thread asks the schema registry for the IDs of schemas that models
//! name by subject ([`registry`]). While serving, threads of their own fetch the keys of issuers
//! ([`jwks`]) and tokens for the brokers ([`oauth`]). [`openapi`] describes the routes for tools,
//! [`explain`] reports what step 5 finds in a file, [`admin`] is the management listener, and `top` shows in a
//! terminal what that says of a running server.

#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod admin;
pub mod admission;
pub mod auth;
pub mod buffer;
mod cgroup;
pub mod cli;
pub mod clock;
pub mod config;
mod connection;
pub mod connections;
mod context;
pub mod cors;
mod dead_letter;
pub mod deadline;
pub mod dev;
pub mod document;
mod excerpt;
pub mod explain;
pub mod http;
mod https;
pub mod import_moose;
pub mod infer;
pub mod isolation;
pub mod jwks;
mod load;
pub mod log;
mod long_work;
pub mod metrics;
pub mod model;
pub mod networks;
pub mod oauth;
pub mod openapi;
pub mod outcome;
pub mod produce;
pub mod published;
pub mod quota;
pub mod readiness;
pub mod registry;
pub mod request_id;
pub mod response;
pub mod route;
pub mod samples;
pub mod snapshot;
pub mod supervisor;
mod sync;
pub mod tls;
mod top;
pub mod traces;
pub mod validate;
mod verification;
mod worker;
