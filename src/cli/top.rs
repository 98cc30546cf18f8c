//! `ringest top`: the page of the management listener in a terminal.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{failed, print};
use crate::top::{Address, follow, once};

const ABOUT: &str = "Watch a running ringest in the terminal";

const EXAMPLES: &str = "\
Shows what the page at / of the management listener shows: readiness, rates, latencies, limits,
routes, refused requests, workers and brokers. ? lists the keys; q ends it. Where stdout is no
terminal, prints the figures of one interval as text, as --once does. NO_COLOR is honoured.

Examples:
  ringest top                            the server on this machine
  ringest top 10.0.0.7:4001
  ringest top --once                     for scripts
  kubectl port-forward pod/ringest-0 4001 & ringest top

Exit codes: 0 ended by a key or a signal, or printed; 1 no answer to print, or the terminal
failed; 2 usage error.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The management listener: a port of this machine, HOST:PORT or a URL
    #[arg(default_value = "http://127.0.0.1:4001")]
    address: Address,

    /// Milliseconds from one reading to the next
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(100..=60_000)
    )]
    interval_ms: u64,

    /// Print the figures of one interval as text and exit
    #[arg(long)]
    once: bool,
}

/// Shows the figures, or prints them once.
#[expect(
    clippy::disallowed_methods,
    reason = "of a command, which does not serve"
)]
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let address = &arguments.address;
    let interval = Duration::from_millis(arguments.interval_ms);
    if !arguments.once && io::stdout().is_terminal() {
        return match follow(address, interval) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        };
    }
    match once(address, interval) {
        Ok(text) => print(&text),
        Err(error) => failed(&format!("{address}: {error}")),
    }
}
