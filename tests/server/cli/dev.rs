//! `--dev`, from its first line to its exit code.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, Consumer as _},
};

use super::{
    ringest,
    start::{Dev, announced},
    stderr, stdout,
};
use crate::support::{http::Http, wait::PATIENCE};

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
            "/ingest/Order/1.0" => ("orders".to_owned(), "1"),
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

/// Models of one's own are read again when they change, and what is refused is shown with its faults.
#[test]
fn ones_own_models_are_read_again() {
    let models = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        fs::write(models.path().join(name), text).expect("ours");
    };
    write(
        "Click.toml",
        "name = \"Click\"\nversion = \"1\"\n[fields]\nbutton = \"Enum8('it''s' = 1)\"\n",
    );
    let directory = models.path().to_str().expect("UTF-8");
    let dev = Dev::start_with(&["--models", directory], &[]);
    let public = loop {
        if let Some(address) = announced(&dev.stderr_line(), false) {
            break address;
        }
    };
    let next = |start: &str| loop {
        let line = dev.stdout_line();
        if line.starts_with(start) {
            break line;
        }
    };
    let command = next("curl ");
    let expected = format!(r#"curl http://{public}/ingest/Click/1 -d '{{"button":"it'\''s"}}'"#);
    assert_eq!(command, expected, "as a shell needs it");

    let mut http = Http::connect(public).expect("ringest accepts");
    let answer = http.post("/ingest/Click/1", br#"{"button":"left"}"#);
    assert_eq!(answer.expect("an answer").status, 400);
    assert_eq!(
        next("# refused"),
        r#"# refused /ingest/Click/1 {"button":"left"}"#
    );
    assert!(next("#   $.button: ").contains("`left`"));

    write("Click.toml", "not a model");
    write("View.toml", "name = \"View\"\nversion = \"1\"\n");
    // The first one is wrong, so that nothing changes until it is not.
    while !dev
        .stderr_line()
        .contains("keeping the previous configuration")
    {}
    let answer = http.post("/ingest/View/1", b"{}").expect("an answer");
    assert_eq!(answer.status, 404);
    write("Click.toml", "name = \"Click\"\nversion = \"2\"\n");
    next(&format!("curl http://{public}/ingest/Click/2 "));
    while !dev.stderr_line().contains("configuration reloaded") {}
    let answer = http.post("/ingest/View/1", b"{}").expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(next("View"), "View_1 partition 0 offset 0 key - value {}");
    drop(http);
    assert_eq!(dev.terminate().0.code(), Some(0));
}

/// Consumers and kcat know one port from start to start. A reserved or used one is reported.
#[test]
fn a_consumer_finds_the_broker_at_its_port() {
    let dev = Dev::start_with(&["--dev-broker", "0"], &[]);
    let public = loop {
        if let Some(address) = announced(&dev.stderr_line(), false) {
            break address;
        }
    };
    let broker = loop {
        let line = dev.stdout_line();
        if let Some(rest) = line.strip_prefix("# kcat -C -b ") {
            break rest.strip_suffix(" -t orders").expect(rest).to_owned();
        }
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&["RawEvent_1_0"]).expect("subscribed");
    let mut http = Http::connect(public).expect("ringest accepts");
    let answer = http.post("/ingest/RawEvent", b"{\"n\":1}");
    assert_eq!(answer.expect("an answer").status, 200);
    let deadline = Instant::now() + PATIENCE;
    let message = loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => break message,
            // Such as a group that is not formed yet.
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    };
    assert_eq!(message.payload(), Some(&b"{\"n\":1}"[..]));

    let (_, port) = broker.rsplit_once(':').expect("an address");
    let second = ringest(&["--dev", "--dev-broker", port]);
    assert_eq!(second.status.code(), Some(1));
    let expected = format!(
        "--dev-broker {port}: Address already in use (os error 98); `ss -ltnp sport = :{port}` shows which process \
         has it: stop that, or choose another port\n"
    );
    assert_eq!((stdout(&second), stderr(&second)), ("", &*expected));
    drop(http);
    assert_eq!(dev.terminate().0.code(), Some(0));
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut http = Http::connect(address).expect("it accepts");
    http.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .expect("it reads");
    let answer = http.answer().expect("an answer");
    (answer.status, String::from_utf8(answer.body).expect("text"))
}
