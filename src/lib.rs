//! **ringest** takes JSON over HTTP, checks who sends it and whether each record fits its data
//! model, and forwards the very bytes that arrived to Kafka or Redpanda. A 2xx means that every
//! in-sync replica has the record.
//!
//! # The path of a request
//!
//! A worker is one thread on one core, with a ring, a listener and a producer of its own
//! (`worker`). It accepts a connection (`listener`), which from then on is one task
//! (`connection`, the only place that knows every stage):
//!
//! 1. **read head**: [`http::HeadParser`] over a pooled [`buffer::ReadBuffer`];
//! 2. **authenticate**: this core's memory of who was verified ([`auth::Cache`]), else the keys
//!    ([`auth::KeySet`]), when it is the stranger's turn (`verification`) → [`auth::Principal`];
//! 3. **route**: [`route::RouteTable::find`], one hash look-up → [`auth::AuthorizedRoute`];
//! 4. **admit and read body**: memory from the budget ([`admission::Admission`]), the socket's bytes
//!    into the buffer that librdkafka will read;
//! 5. **validate**: [`validate::Validator`] walks simd-json's tape by the model's [`model::Rules`] →
//!    [`validate::ValidBody`], for each record its span, partition key and timestamp, or a
//!    [`validate::Rejection`] that says everything that is wrong;
//! 6. **produce**: [`produce::Producer::enqueue`] takes only an authorized route and a valid body;
//!    about records that are not valid, letters go to the model's dead-letter topic (`dead_letter`);
//! 7. **acknowledge**: [`produce::Delivery`] ends with the last delivery report → [`produce::Delivered`];
//! 8. **answer**: [`outcome::Outcome`] through the one table to [`response::Responses`].
//!
//! # Beside the path
//!
//! What requests are served by is a [`snapshot`]. The control thread ([`supervisor`]) publishes another
//! one when the configuration was loaded again or an issuer has other keys, and a worker takes it up
//! between two requests.
//!
//! Before it serves, the control thread asks the schema registry for what models name by subject
//! ([`registry`]); while it serves, threads beside it fetch issuers' keys ([`jwks`]). [`openapi`] tells
//! tools what can be posted, [`explain`] tells a person what step 5 would say of a file.

pub mod admin;
pub mod admission;
pub mod auth;
pub mod buffer;
pub mod cli;
pub mod clock;
pub mod config;
mod connection;
mod context;
mod dead_letter;
pub mod deadline;
pub mod dev;
pub mod document;
mod excerpt;
pub mod explain;
pub mod http;
mod https;
pub mod import_moose;
pub mod isolation;
pub mod jwks;
pub mod log;
pub mod metrics;
pub mod model;
pub mod openapi;
pub mod outcome;
pub mod produce;
pub mod readiness;
pub mod registry;
pub mod response;
pub mod route;
pub mod snapshot;
pub mod supervisor;
pub mod validate;
mod verification;
mod worker;
