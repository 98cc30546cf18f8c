//! `--dev`, from its first line to its exit code.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{
    ringest,
    start::{Dev, announced},
    stdout,
};
use crate::support::http::Http;

/// Blanks, escapes and characters beyond ASCII, to be shown as they are.
const ODD: [&str; 2] = [
    r#"{"a":"caf\u00e9 \n \"x\" \/"}"#,
    r#"{ "é\\" :	[1.0,  -0e0]}"#,
];

#[test]
fn a_newcomer_can_follow_what_it_prints() {
    let dev = Dev::start(&[]);
    let mut log = Vec::new();
    let mut next = |is_management| {
        loop {
            log.push(dev.stderr_line());
            if let Some(address) = announced(&log[log.len() - 1], is_management) {
                return address;
            }
        }
    };
    let (public, management) = (next(false), next(true));

    let last = format!("curl http://{management}/metrics");
    let mut invitation = Vec::new();
    while invitation.last() != Some(&last) {
        invitation.push(dev.stdout_line());
    }
    assert_eq!(dev.stdout_line(), "");
    let is_for_a_shell = |line: &String| line.is_empty() || line.starts_with(['#', 'c']);
    assert!(invitation.iter().all(is_for_a_shell), "{invitation:#?}");

    let mut http = Http::connect(public).expect("ringest accepts");
    let mut taken = BTreeSet::new();
    for path in [
        "/ingest/Order/1.0",
        "/ingest/PageView/1.0",
        "/ingest/RawEvent/1.0",
        "/ingest/SensorReading/2.1",
    ] {
        let start = format!("curl http://{public}{path} -d '");
        let line = invitation.iter().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{start}: {invitation:#?}"));
        let record = line[start.len()..].strip_suffix('\'').expect("quoted");
        let answer = http.post(path, record.as_bytes()).expect("an answer");
        assert_eq!(
            (answer.status, &*answer.body),
            (200, br#"{"accepted":1}"#.as_slice())
        );
        let (topic, key) = match path {
            "/ingest/Order/1.0" => ("orders".to_owned(), "7"),
            _ => (path["/ingest/".len()..].replace(['/', '.'], "_"), "-"),
        };
        taken.insert(format!(
            "{topic} partition 0 offset 0 key {key} value {record}"
        ));
    }
    // Each topic is read by itself: they come in any order.
    assert_eq!(
        (0..4).map(|_| dev.stdout_line()).collect::<BTreeSet<_>>(),
        taken
    );

    let array = format!(" [ {} ,\t{} ] ", ODD[0], ODD[1]);
    let answer = http
        .post("/ingest/RawEvent", array.as_bytes())
        .expect("an answer");
    assert_eq!(
        (answer.status, &*answer.body),
        (200, br#"{"accepted":2}"#.as_slice())
    );
    for (offset, record) in (1..).zip(ODD) {
        assert_eq!(
            dev.stdout_line(),
            format!("RawEvent_1_0 partition 0 offset {offset} key - value {record}")
        );
    }

    assert_eq!(get(management, "/metrics").0, 200);
    drop(http);
    let (status, stdout, log) = dev.terminate();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert_eq!(stdout, [""; 0], "a line a record, and no more");
}

#[test]
fn the_routes_of_the_command_and_of_the_management_listener_are_the_same() {
    let dev = Dev::start(&[]);
    let management = loop {
        if let Some(address) = announced(&dev.stderr_line(), true) {
            break address;
        }
    };
    for (format, path) in [("json", "/routes"), ("openapi", "/openapi.json")] {
        let listed = ringest(&["--list-routes", "--format", format]);
        let (status, served) = get(management, path);
        assert_eq!((status, &*served), (200, stdout(&listed)));
    }
    assert_eq!(dev.terminate().0.code(), Some(0));
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut http = Http::connect(address).expect("it accepts");
    http.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .expect("it reads");
    let answer = http.answer().expect("an answer");
    (answer.status, String::from_utf8(answer.body).expect("text"))
}
