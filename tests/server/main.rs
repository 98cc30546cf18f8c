//! Tests of servers over sockets: the binary, or a part of it on a thread of the test.

#[path = "../support/mod.rs"]
mod support;

#[path = "../documentation/mod.rs"]
mod examples;

mod admin;
mod auth;
mod browsers;
mod cli;
mod clients;
mod drain;
mod faults;
mod http_corpus;
mod jwks;
mod limits;
mod logs;
mod metrics;
mod oauth;
mod properties;
mod quotas;
mod registry;
mod reload;
mod service_manager;
mod tls;
mod traces;
mod unix_socket;
mod workers;
