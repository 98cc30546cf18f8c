//! Tests of the library, and of commands that serve nothing: no test starts a server.

#[path = "../reference/mod.rs"]
mod reference;

#[expect(
    dead_code,
    reason = "what is run is compared by the tests of the server"
)]
#[path = "../documentation/mod.rs"]
mod examples;

#[path = "../support/compress.rs"]
mod compress;
#[path = "../support/models.rs"]
mod model_files;

mod config;
mod content;
mod crypto;
mod deploy;
mod documentation;
mod http_framing;
mod import_moose;
mod infer;
mod openapi;
mod tidy;
mod typed;
mod validate;
