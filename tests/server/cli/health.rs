//! `ringest health`: the management listener's answer as an exit code.

use std::{net::TcpListener, time::Instant};

use super::{command, output, ringest, start::Dev, stderr, stdout};
use crate::support::wait::await_that;

#[test]
fn a_server_that_serves_is_healthy_and_ready() {
    let dev = Dev::start(&[]);
    let address = std::iter::repeat_with(|| dev.stderr_line()).find_map(|line| {
        let address = line.strip_suffix(" (management)")?;
        Some(address.strip_prefix("listening on ")?.to_owned())
    });
    let address = address.expect("no line is the last");
    let address = address.as_str();

    let healthy = ringest(&["health", "--address", address]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    assert_eq!(stdout(&healthy), "{\"status\":\"serving\"}\n");
    await_that("it is ready", || {
        ringest(&["health", "--ready", "--address", address])
            .status
            .success()
    });
    // By the configuration, whose listener is on every address.
    let everywhere = format!("0.0.0.0:{}", address.rsplit(':').next().expect("a port"));
    let mut by_configuration = command(&["health"]);
    by_configuration.env("RINGEST_MANAGEMENT__ADDRESS", everywhere);
    let healthy = output(&mut by_configuration);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    dev.terminate();

    let gone = ringest(&["health", "--address", address]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(stdout(&gone), "");
    assert!(stderr(&gone).contains(address), "{}", stderr(&gone));
}

#[test]
fn a_server_that_does_not_answer_is_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let began = Instant::now();
    let silent = ringest(&["health", "--timeout-ms", "100", "--address", &address]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(began.elapsed().as_secs() < 30);

    let mut chosen = command(&["health"]);
    chosen.env("RINGEST_MANAGEMENT__ADDRESS", "127.0.0.1:0");
    let chosen = output(&mut chosen);
    assert_eq!(chosen.status.code(), Some(1));
    let said = stderr(&chosen);
    assert!(
        said.contains("management.address has port 0") && said.contains("--address"),
        "{said}"
    );

    let mut disabled = command(&["health"]);
    disabled.env("RINGEST_MANAGEMENT__ADDRESS", "");
    let disabled = output(&mut disabled);
    assert_eq!(disabled.status.code(), Some(1));
    assert!(
        stderr(&disabled).contains("management.address"),
        "{}",
        stderr(&disabled)
    );
}
