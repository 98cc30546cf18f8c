//! SIGHUP: another configuration is served by as a whole or not at all, and nobody notices who does
//! not ask for what has changed.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Http, request},
    mock::{ALL, Mock},
    ringest::{Builder, Ringest},
    wait::{await_that, eventually},
};

/// A server with two workers and one model, that has produced to its topic `events`.
fn start(configure: impl FnOnce(Builder) -> Builder) -> (Mock, Ringest) {
    let mock = Mock::with_topics(&[TOPIC, "others"]);
    let builder = Ringest::builder(&mock.brokers())
        .model_file(&model("Event", "events"))
        .set("workers", "2");
    let ringest = configure(builder).start();
    ringest.await_accepted();
    (mock, ringest)
}

fn model(name: &str, topic: &str) -> String {
    format!("name = \"{name}\"\nversion = \"1.0\"\ntopic = \"{topic}\"\n")
}

/// Writes another model in place of the one of that number, or adds it.
fn write_model(ringest: &Ringest, number: usize, model: &str) {
    ringest.write(&format!("models/{number}.toml"), model.as_bytes());
}

/// Replaces a heading of the configuration by this.
fn edit(ringest: &Ringest, heading: &str, text: &str) {
    let file = ringest.directory().join("ringest.toml");
    let before = fs::read_to_string(file).expect("the file is ours");
    assert!(before.contains(heading), "{before}");
    let after = before.replace(heading, text);
    ringest.write("ringest.toml", after.as_bytes());
}

fn reloads(ringest: &Ringest, result: &str) -> u64 {
    ringest.count(&format!(
        "ringest_config_reloads_total{{result=\"{result}\"}}"
    ))
}

/// Sends SIGHUP and waits until it has had this result.
#[track_caller]
fn reload(ringest: &Ringest, result: &str) {
    let before = reloads(ringest, result);
    ringest.reload();
    await_that(&format!("no reload that is {result}"), || {
        reloads(ringest, result) > before
    });
}

/// Waits for a line of the log with all of these in it.
#[track_caller]
fn assert_logged(ringest: &Ringest, parts: &[&str]) {
    await_that(&format!("no line with {parts:?}"), || {
        let log = ringest.log();
        let mut lines = log.lines();
        lines.any(|line| parts.iter().all(|part| line.contains(part)))
    });
}

/// Enough idle connections that each worker has some.
fn connections(ringest: &Ringest) -> Vec<Http> {
    (0..16).map(|_| ringest.connect()).collect()
}

/// Each of them gets this answer, and stays open.
#[track_caller]
fn assert_each(connections: &mut [Http], path: &str, status: u16) {
    for http in connections {
        let answer = http.post(path, RECORD).expect("an answer");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(!answer.closes(), "{answer:?}");
    }
}

/// Posts on one connection, without a pause, until it is to stop; how many were accepted,
/// which is all.
fn client(address: SocketAddr, stop: &AtomicBool) -> usize {
    let mut http = Http::connect(address).expect("ringest accepts");
    let mut accepted = 0;
    while !stop.load(Ordering::Relaxed) {
        let answer = http.post(PATH, RECORD).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.closes(), "{answer:?}");
        accepted += 1;
    }
    accepted
}

/// Those that hold as before; the signals that ask for something are named.
#[test]
fn a_reload_repeats_no_warning() {
    let (_mock, mut ringest) =
        start(|it| it.kafka("acks", "1").kafka("enable.idempotence", "false"));
    let warned = |text: &str| {
        let log = ringest.log();
        log.lines()
            .filter(|it| it.contains(" WARN ") && it.contains(text))
            .count()
    };
    assert_eq!(warned("kafka.acks = 1: "), 1, "{}", ringest.log());
    ringest.write("models/old.yaml", b"");
    for generation in 1..=2 {
        reload(&ringest, "ok");
        assert_logged(
            &ringest,
            &[
                "configuration reloaded",
                &format!("generation={generation}"),
            ],
        );
        assert_eq!(warned("kafka.acks = 1: "), 1, "{}", ringest.log());
        assert_eq!(warned("not read: old.yaml"), 1, "{}", ringest.log());
    }
    assert_logged(&ringest, &["received SIGHUP: reloading"]);
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), Some(0));
    assert_logged(&ringest, &["received SIGTERM: shutting down"]);
}

#[test]
fn models_that_change_are_reloaded_where_that_is_configured() {
    let (_mock, ringest) = start(|it| it.set("reload_on_change", "true"));
    let mut http = ringest.connect();
    let other = "/ingest/Other/1.0";
    assert_eq!(http.post(other, RECORD).expect("an answer").status, 404);
    // A file that is new and invalid is watched, too.
    let failed = reloads(&ringest, "error");
    write_model(&ringest, 7, "name = 7\n");
    await_that("a reload fails", || reloads(&ringest, "error") > failed);
    write_model(&ringest, 7, &model("Other", "others"));
    await_that("the model has its route", || {
        http.post(other, RECORD).expect("an answer").status == 200
    });
}

#[test]
fn routes_come_and_go_under_traffic_and_nothing_is_dropped() {
    const CLIENTS: usize = 4;
    let (mock, ringest) = start(|it| it);
    let stop = Arc::new(AtomicBool::new(false));
    let address = ringest.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || client(address, &stop))
        })
        .collect();
    let mut idle = connections(&ringest);
    let held = idle.len();
    assert_each(&mut idle, "/ingest/New/1.0", 404);

    write_model(&ringest, 1, &model("New", "new"));
    reload(&ringest, "ok");
    assert_each(&mut idle, "/ingest/New/1.0", 200);
    assert_each(&mut idle, PATH, 200);
    assert_eq!(mock.cluster().read("new").len(), held);
    assert!(ringest.routes().contains("/ingest/New/1.0"));

    fs::remove_file(ringest.directory().join("models/1.toml")).expect("the file is ours");
    reload(&ringest, "ok");
    assert_each(&mut idle, "/ingest/New/1.0", 404);
    assert_each(&mut idle, PATH, 200);
    assert!(!ringest.routes().contains("New"));

    let in_first = || mock.cluster().read("events").len();
    write_model(&ringest, 0, &model("Event", "others"));
    reload(&ringest, "ok");
    assert_each(&mut idle, PATH, 200);
    assert!(mock.cluster().read("others").len() >= held);

    // Invalid as a whole: nothing of it counts.
    write_model(&ringest, 0, &model("Event", "bad/topic"));
    write_model(&ringest, 1, &model("New", "new"));
    edit(&ringest, "[kafka]\n", "[kafka]\n\"no.such.property\" = 1\n");
    reload(&ringest, "error");
    assert_each(&mut idle, PATH, 200);
    assert_each(&mut idle, "/ingest/New/1.0", 404);
    assert_logged(&ringest, &["ERROR", "0.toml:3: topic: "]);
    assert_logged(&ringest, &["ERROR", "ringest.toml:", "no.such.property"]);

    stop.store(true, Ordering::Relaxed);
    let accepted = clients.into_iter().map(|it| it.join().expect("all good"));
    let accepted = accepted.sum::<usize>() + 1 + 4 * held;
    // What is counted of a path goes on, whatever its topic.
    let counted = format!("ringest_records_delivered_total{{route=\"{PATH}\"}}");
    assert_eq!(ringest.count(&counted), accepted as u64);
    assert_eq!(ringest.count("ringest_config_generation"), 3);
    // The mock keeps the last 5 MiB of a topic, which this does not fill.
    let records = in_first() + mock.cluster().read("others").len();
    assert_eq!(records, accepted, "what was acknowledged is there, once");
    assert_eq!(ringest.count("ringest_late_delivery_reports_total"), 0);
    assert_eq!(ringest.terminate().code(), Some(0));
}

/// What has begun keeps to what it began with.
#[test]
fn requests_that_have_begun_end_as_they_began() {
    let (mock, ringest) = start(|it| it);
    let whole = request(PATH, "application/json", RECORD);
    let body_begun = whole.len() - 3;
    let mut half_sent = ringest.connect();
    half_sent.send(&whole[..body_begun]).expect("ringest reads");
    await_that("no body is read", || {
        ringest.count("ringest_in_flight_bytes") > 0
    });
    mock.delay(ALL, Duration::from_secs(2));
    let mut delivered = ringest.connect();
    delivered.send(&whole).expect("ringest reads");
    ringest.await_count("ringest_in_flight_records", 1);

    write_model(&ringest, 0, &model("Event", "others"));
    edit(&ringest, "[listen]\n", "[listen]\npath_prefix = \"/api\"\n");
    reload(&ringest, "ok");

    half_sent.send(&whole[body_begun..]).expect("ringest reads");
    for mut http in [half_sent, delivered] {
        assert_eq!(http.answer().expect("an answer").status, 200);
        assert_each(std::slice::from_mut(&mut http), PATH, 404);
        assert_each(
            std::slice::from_mut(&mut http),
            "/api/ingest/Event/1.0",
            200,
        );
    }
    mock.delay(ALL, Duration::ZERO);
    assert_eq!(mock.cluster().read("events").len(), 3);
    assert_eq!(mock.cluster().read("others").len(), 2);
}

#[test]
fn what_needs_a_restart_is_named_and_stays_as_it_is() {
    let (_mock, ringest) = start(|it| it);
    let mut idle = connections(&ringest);
    let password = "\"ssl.key.password\" = \"s3cret\"\n";
    let limits = "[limits]\nbody_bytes_max = 2\n[kafka]\n\"linger.ms\" = 5\n";
    edit(&ringest, "[kafka]\n", &format!("{limits}{password}"));
    write_model(&ringest, 1, &model("New", "new"));
    reload(&ringest, "ok");
    assert_each(&mut idle, "/ingest/New/1.0", 200);
    // A password is not: connections that begin have it.
    let named = ": kafka.linger.ms, limits.body_bytes_max";
    assert_logged(&ringest, &["WARN", named]);
    assert!(!ringest.log().contains("s3cret"));
}

#[test]
fn many_signals_in_a_row_are_no_trouble() {
    let (_mock, ringest) = start(|it| it);
    let mut idle = connections(&ringest);
    write_model(&ringest, 1, &model("New", "new"));
    for _ in 0..50 {
        ringest.reload();
        assert_each(&mut idle[..1], PATH, 200);
    }
    // The last of them came after the file: it is read once more at least.
    await_that("never read", || {
        let answer = idle[0].post("/ingest/New/1.0", RECORD).expect("an answer");
        answer.status == 200
    });
    assert_each(&mut idle, PATH, 200);
    assert!((1..=50).contains(&reloads(&ringest, "ok")));
    assert_eq!(reloads(&ringest, "error"), 0);
    assert_eq!(ringest.terminate().code(), Some(0));
}

/// A token of HMAC that is good for as long as anybody runs this.
fn token(secret: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let claims = r#"{"iss":"us","aud":"ingest","sub":"a","exp":9999999999}"#;
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A request with a token.
fn authorized(token: &str) -> Vec<u8> {
    let request = request(PATH, "application/json", RECORD);
    let request = String::from_utf8(request).expect("it is text");
    let field = format!("\r\nAuthorization: Bearer {token}\r\n\r\n");
    request.replacen("\r\n\r\n", &field, 1).into_bytes()
}

/// A key that is replaced on the disk is replaced for every connection, of each worker, within the
/// time that is promised.
#[test]
fn a_file_of_keys_that_changes_is_read_again() {
    const PROMISED: Duration = Duration::from_secs(5);
    let [old, new] = [[b'o'; 32], [b'n'; 32]];
    let mock = Mock::with_topics(&["events"]);
    let ringest = Ringest::builder(&mock.brokers())
        .model_file(&model("Event", "events"))
        .set("workers", "2")
        .auth(
            "[auth.jwt]\nissuer = \"us\"\naudience = \"ingest\"\nalgorithms = [\"HS256\"]\n\
             secret_file = \"secret\"\n",
        )
        .file("secret", &old)
        .start();
    let mut idle = connections(&ringest);
    let mut statuses = |secret: &[u8]| -> Vec<u16> {
        let request = authorized(&token(secret));
        let answers = idle.iter_mut().map(|http| {
            http.send(&request).expect("ringest reads");
            http.answer().expect("an answer").status
        });
        answers.collect()
    };
    await_that("never accepted", || statuses(&old)[0] == 200);
    assert_eq!(statuses(&old), [200; 16]);
    assert_eq!(statuses(&new), [401; 16]);

    ringest.write("secret", &new);
    let is_refused = || (statuses(&old) == [401; 16]).then_some(());
    assert!(eventually(PROMISED, is_refused).is_some(), "still accepted");
    assert_eq!(statuses(&new), [200; 16]);
    assert_eq!(reloads(&ringest, "ok"), 1);

    // Too short to be one: the one before stays.
    ringest.write("secret", b"short");
    await_that("not read", || reloads(&ringest, "error") > 0);
    assert_eq!(statuses(&new), [200; 16]);
    assert_logged(&ringest, &["ERROR", "ringest.toml:", "secret"]);
}

/// A registry that says nothing holds up the reload, and nothing else.
#[test]
fn a_drain_does_not_wait_for_a_reload() {
    let (_mock, mut ringest) = start(|it| it);
    let mut idle = connections(&ringest);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address");
    let registry = format!("url = \"http://{address}\"\ntimeout_ms = 600000\n");
    edit(
        &ringest,
        "[auth]\n",
        &format!("[schema_registry]\n{registry}[auth]\n"),
    );
    let subject = "schema = { subject = \"event-value\" }\n";
    write_model(&ringest, 0, &(model("Event", "events") + subject));
    ringest.reload();
    let (_asked, _) = silent.accept().expect("it is asked");
    ringest.reload();
    assert_each(&mut idle, PATH, 200);
    let began = Instant::now();
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "the registry has 600 s"
    );
}

/// All of `[log]`, for connections that are open too.
#[test]
fn the_log_is_set_anew() {
    let (_mock, ringest) = start(|it| it);
    let mut http = ringest.connect();
    let mut post = |id: &str| {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: ringest\r\nX-Request-Id: {id}\r\nContent-Length: {}\r\n\r\n",
            RECORD.len()
        );
        http.send(&[head.as_bytes(), RECORD].concat())
            .expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    post("before");
    edit(
        &ringest,
        "[management]",
        "[log]\nfilter = \"debug\"\nformat = \"json\"\nrequests = \"all\"\n[management]",
    );
    reload(&ringest, "ok");
    post("as-json");
    assert_logged(
        &ringest,
        &["{", r#""request_id":"as-json""#, r#""deliver_ms":"#],
    );
    // Whatever would silence the log is an error, and nothing changes.
    edit(&ringest, "\"debug\"", "\"wran\"");
    reload(&ringest, "error");
    let error =
        r#"log.filter: \"wran\" is not allowed: there is no level `wran`; did you mean \"warn\"?"#;
    assert_logged(&ringest, &[error]);
    post("still");
    assert_logged(&ringest, &[r#""request_id":"still""#]);
    edit(&ringest, "\"wran\"", "\"warn\"");
    reload(&ringest, "ok");
    post("silenced");
    edit(&ringest, "\"warn\"\nformat = \"json\"", "\"info\"");
    reload(&ringest, "ok");
    post("as-text");
    assert_logged(&ringest, &["Z  INFO ", r#"request_id="as-text""#]);
    let log = ringest.log();
    assert!(
        !log.contains("before") && !log.contains("silenced"),
        "{log}"
    );
    assert!(!log.contains("need a restart"), "{log}");
}
