//! The `ringest` binary.

#![warn(clippy::print_stderr, clippy::print_stdout)]

use std::process::ExitCode;

#[cfg(not(unpooled))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringest::cli::run()
}
