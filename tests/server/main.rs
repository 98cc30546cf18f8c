//! Tests of what is served: the binary, or a part of it on a thread of the test, over sockets.

#[path = "../support/mod.rs"]
mod support;

#[path = "../documentation/mod.rs"]
mod examples;

mod admin;
mod auth;
mod cli;
mod drain;
mod faults;
mod http_corpus;
mod jwks;
mod limits;
mod properties;
mod registry;
mod reload;
