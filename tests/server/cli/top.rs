//! `ringest top`: in a terminal, and where there is none.

mod picture;
mod terminal;

use std::net::SocketAddr;

use self::terminal::Terminal;
use super::{
    ringest,
    start::{Dev, announced},
    stderr, stdout,
};
use crate::support::{http::Http, server::refusing_address, wait::await_that};

/// Invalid: it has none of the fields that are required.
const INVALID: &[u8] = br#"{"orderId":7}"#;

/// A server with its public and its management address, once it is ready.
fn dev() -> (Dev, SocketAddr, SocketAddr) {
    let dev = Dev::start(&[]);
    let address = |is_management| {
        std::iter::repeat_with(|| dev.stderr_line())
            .find_map(|line| announced(&line, is_management))
            .expect("no line is the last")
    };
    let (public, management) = (address(false), address(true));
    let url = management.to_string();
    await_that("it is ready", || {
        let health = ringest(&["health", "--ready", "--address", &url]);
        health.status.success()
    });
    (dev, public, management)
}

fn post(public: SocketAddr, path: &str, body: &[u8]) -> u16 {
    let mut http = Http::connect(public).expect("ringest accepts");
    http.post(path, body).expect("an answer").status
}

#[test]
fn it_shows_what_happens_and_gives_the_terminal_back() {
    let (dev, public, management) = dev();
    let mut terminal = Terminal::start(&management.to_string(), 80, 24);
    terminal.await_line("it is ready", |line| line.starts_with("ready  workers "));
    let invalid = |terminal: &mut Terminal, count: &str| {
        terminal.await_line(&format!("{count} invalid records"), |line| {
            let mut cells = line.trim_start_matches('>').split_whitespace();
            cells.next() == Some("Order/1.0") && cells.nth(3) == Some(count)
        });
    };
    invalid(&mut terminal, "0");
    assert_eq!(post(public, "/ingest/Order/1.0", INVALID), 400);
    invalid(&mut terminal, "1");
    assert_eq!(post(public, "/ingest/Order/1.0", INVALID), 400);
    invalid(&mut terminal, "2");

    terminal.press("2");
    terminal.await_line("the code", |line| {
        line.starts_with("invalid_record") && line.ends_with(" 2")
    });
    terminal.press("/Order\r\r");
    terminal.await_line("the route alone", |line| line == "/ingest/Order/1.0");
    terminal.await_line("a fault", |line| {
        line.starts_with("$.") && line.contains("missing")
    });
    terminal.await_line("the record", |line| line == r#"{"orderId":7}"#);

    assert_eq!(dev.terminate().0.code(), Some(0));
    terminal.await_line("the age of the figures", |line| {
        line.starts_with("no answer, figures are ")
    });
    // Closes the route, clears the filter, ends.
    terminal.press("\u{1b}");
    terminal.await_line("all routes", |line| {
        line.starts_with("filter: Order  Esc clears it")
    });
    terminal.press("\u{1b}");
    terminal.await_line("no filter", |line| line.starts_with("q quit"));
    terminal.press("4");
    terminal.await_line("what was known of the broker", |line| {
        line.contains(" not known ")
    });
    terminal.press("q");
    terminal.assert_restored();
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    let (address, _bound) = refusing_address();
    let address = address.to_string();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
        let mut terminal = Terminal::start(&address, 40, 12);
        terminal.await_line("the error", |line| line.starts_with("no answer for "));
        terminal.signal(signal);
        terminal.assert_restored();
    }
}

#[test]
fn without_a_terminal_it_prints_the_figures_once() {
    let (dev, public, management) = dev();
    let began = std::time::Instant::now();
    let by_tls = ringest(&["top", "--once", &format!("https://{management}/status")]);
    let hint = "the management listener speaks HTTP without TLS";
    assert!(stderr(&by_tls).contains(hint), "{}", stderr(&by_tls));
    // It would be five seconds, the time limits of both ends.
    assert!(began.elapsed().as_secs() < 4, "{:?}", began.elapsed());
    assert_eq!(post(public, "/ingest/RawEvent/1.0", b"[{},{}]"), 200);
    assert_eq!(post(public, "/ingest/Order/1.0", INVALID), 400);
    let url = format!("http://{management}/");
    for arguments in [
        &["top", &url, "--interval-ms", "100"][..],
        &["top", "--once", &url, "--interval-ms", "100"],
    ] {
        let output = ringest(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let printed = stdout(&output);
        let start = format!(
            "ringest {} at http://{management}, up ",
            env!("CARGO_PKG_VERSION")
        );
        assert!(printed.starts_with(&start), "{printed}");
        let has = |cells: &[&str]| {
            let mut lines = printed.lines();
            lines.any(|line| {
                let its: Vec<_> = line.split_whitespace().collect();
                its.starts_with(cells)
            })
        };
        for cells in [
            &["ready"][..],
            &["Requests/s", "0"],
            &["In", "flight", "0", "B", "of"],
            &[
                "/ingest/Order/1.0",
                "orders",
                "0",
                "0",
                "0",
                "0",
                "1",
                "-",
                "-",
            ],
            &[
                "/ingest/RawEvent/1.0",
                "RawEvent_1_0",
                "0",
                "0",
                "0",
                "2",
                "0",
            ],
            &["invalid_record", "400", "0", "1"],
            &["0", "ready"],
        ] {
            assert!(has(cells), "{cells:?}: {printed}");
        }
        assert!(
            printed.chars().all(|it| it == '\n' || !it.is_control()),
            "{printed:?}"
        );
    }
    // The public port answers, too, but not as the management port does.
    let other = ringest(&["top", "--once", &public.to_string()]);
    assert_eq!((other.status.code(), stdout(&other)), (Some(1), ""));
    let reason = format!(
        "http://{public}: HTTP status 404 for /status: is this the management address of ringest?\n"
    );
    assert_eq!(stderr(&other), reason);
    assert_eq!(dev.terminate().0.code(), Some(0));

    let gone = ringest(&["top", "--once", &management.to_string()]);
    assert_eq!((gone.status.code(), stdout(&gone)), (Some(1), ""));
    assert!(
        stderr(&gone).contains("Connection refused"),
        "{}",
        stderr(&gone)
    );
    assert_eq!(ringest(&["top", "localhost"]).status.code(), Some(2));
}
