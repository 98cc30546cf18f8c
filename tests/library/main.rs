//! Tests of the library, and of commands that serve nothing: no test starts a server.

#[path = "../reference/mod.rs"]
mod reference;

mod config;
mod crypto;
mod http_framing;
mod import_moose;
mod openapi;
mod typed;
mod validate;
