//! `ringest health`: asks a running server, for health checks of containers, which have no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::{EXIT_CONFIGURATION, environment, failed, print, unusable};
use crate::{config::Config, https};

const ABOUT: &str = "Ask a running ringest whether it serves";

const EXAMPLES: &str = "\
Asks the management listener of the configuration, or of --address, and prints its answer.

Examples:
  ringest health                         the process serves and is not shutting down
  ringest health --ready                 every worker can deliver records to the brokers
  ringest health --address 10.0.0.7:4001

Exit codes: 0 yes; 1 no, no answer, or the configuration is invalid; 2 usage error.";

/// A longer answer is not one of ringest.
const ANSWER_BYTES_MAX: u64 = 65_536;

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Ask /ready instead of /health
    #[arg(long)]
    ready: bool,

    /// Address of the management listener [default: that of the configuration]
    #[arg(long, value_name = "IP:PORT")]
    address: Option<SocketAddr>,

    /// Time limit of the request in milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 2_000,
        value_parser = clap::value_parser!(u64).range(1..=60_000)
    )]
    timeout_ms: u64,
}

/// Asks the management listener.
pub(super) fn run(file: &Path, arguments: &Arguments) -> ExitCode {
    let address = match arguments.address {
        Some(address) => address,
        None => match Config::load_to_inspect(file, environment()) {
            Ok(config) => match config.management {
                Some(address) if address.port() == 0 => {
                    return failed(
                        "management.address has port 0, for which the system chooses one when the server starts: \
                         give the listener's address by --address",
                    );
                }
                Some(address) => address,
                None => {
                    return failed("management.address = \"\": there is no management listener");
                }
            },
            Err(errors) => return unusable(file, &errors),
        },
    };
    let path = if arguments.ready { "ready" } else { "health" };
    let url = format!("http://{}/{path}", reachable(address));
    let timeout = Duration::from_millis(arguments.timeout_ms);
    let agent = https::agent(&url, "application/json", timeout);
    match https::get(&agent, &url, timeout, ANSWER_BYTES_MAX) {
        Ok((status, body)) => {
            let printed = print(&format!("{}\n", body.trim_end()));
            if status == 200 {
                printed
            } else {
                ExitCode::from(EXIT_CONFIGURATION)
            }
        }
        Err(error) => failed(&format!("{url}: {error}")),
    }
}

/// Where to reach a listener on this machine that is bound to every address.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (bound, asked) in [
            ("0.0.0.0:4001", "127.0.0.1:4001"),
            ("[::]:4001", "[::1]:4001"),
            ("10.0.0.7:1", "10.0.0.7:1"),
        ] {
            let bound: SocketAddr = bound.parse().expect("an address");
            assert_eq!(reachable(bound).to_string(), asked);
        }
    }
}
