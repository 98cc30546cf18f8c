//! The management listener over real sockets.

mod durations;
mod metrics;
mod observed;
mod openmetrics;
mod rig;
mod status;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Instant,
};

use ringest::{
    admin::{self, AdminState, CONNECTIONS_MAX, Exposition, REQUEST_TIMEOUT, Sources, routes_json},
    openapi,
    readiness::{Readiness, WorkerState},
};

use rig::{Answer, Rig, page_facts, snapshot};

#[test]
fn ready_follows_the_workers() {
    let rig = Rig::start();
    rig.ask("GET", "/ready").assert_not_ready("starting");
    rig.set_all(WorkerState::NoBroker);
    rig.ask("GET", "/ready").assert_not_ready("no_broker");
    rig.readiness.set_worker(0, WorkerState::Ready);
    rig.ask("GET", "/ready").assert_not_ready("no_broker");
    rig.readiness.set_worker(1, WorkerState::Ready);
    let answer = rig.ask("GET", "/ready");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), serde_json::json!({"ready": true}));
    rig.readiness.set_worker(1, WorkerState::ProducerFatal);
    rig.ask("GET", "/ready").assert_not_ready("producer_fatal");
    rig.set_all(WorkerState::Ready);
    assert_eq!(rig.ask("GET", "/ready").status, 200);
    rig.readiness.start_draining();
    rig.ask("GET", "/ready").assert_not_ready("draining");
}

/// Its policy names its own style and script by their hashes, so that a browser runs nothing else.
#[test]
fn the_page_allows_its_own_script_alone() {
    let rig = Rig::start();
    let answer = rig.ask("GET", "/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = answer.header("content-security-policy").expect("a policy");
    let between = |start: &str, end: &str| {
        let (_, after) = answer.body.split_once(start).expect("it starts");
        after.split_once(end).expect("it ends").0
    };
    for text in [
        between("<style>", "</style>"),
        between("<script type=\"module\">", "</script>"),
    ] {
        let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let hash = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(
        policy.contains("connect-src 'self';"),
        "only --dev sends: {policy}"
    );
    let facts: serde_json::Value =
        serde_json::from_str(between("id=\"facts\">", "</script>")).expect("JSON");
    assert_eq!(
        (&facts["port"], &facts["dev"]),
        (&4000.into(), &false.into())
    );
    for (host, status) in [
        ("localhost:4001", 200),
        ("[::1]:4001", 200),
        ("127.0.0.1", 200),
        ("rebound.example:4001", 421),
    ] {
        let mut stream = rig.connect();
        let request = format!("GET /samples HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        assert_eq!(Answer::read(&mut stream).status, status, "{host}");
    }
    let samples = rig.ask("GET", "/samples");
    assert_eq!(
        samples.json(),
        serde_json::json!({"refused": [], "taken": []})
    );
}

#[test]
fn health_depends_on_draining_alone() {
    let rig = Rig::start();
    for state in [
        WorkerState::Starting,
        WorkerState::NoBroker,
        WorkerState::ProducerFatal,
    ] {
        rig.set_all(state);
        let answer = rig.ask("GET", "/health");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), serde_json::json!({"status": "serving"}));
    }
    rig.readiness.start_draining();
    let answer = rig.ask("GET", "/health");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json(), serde_json::json!({"status": "draining"}));
}

#[test]
fn routes_are_those_of_the_latest_snapshot() {
    let rig = Rig::start();
    let assert_latest = || {
        let routes = Arc::clone(&rig.published.latest().routes);
        for (path, body) in [
            ("/routes", routes_json(routes.routes())),
            ("/openapi.json", openapi::text(routes.routes())),
        ] {
            let answer = rig.ask("GET", path);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.body, body);
        }
    };
    assert_latest();
    rig.published.publish(snapshot(1, &[("Other", "3")]));
    assert_latest();
    let listed = rig.ask("GET", "/routes").json();
    assert_eq!(listed[0]["path"], "/ingest/Other/3");
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_query_and_an_absolute_target_are_understood() {
    let rig = Rig::start();
    assert_eq!(rig.ask("GET", "/health?verbose=1").status, 200);
    assert_eq!(rig.ask("GET", "http://localhost/health").status, 200);
}

#[test]
fn what_is_not_there_is_404_and_other_methods_are_405() {
    let rig = Rig::start();
    for path in [
        "/index.html",
        "/healthz",
        "/health/",
        "/HEALTH",
        "/metrics/x",
        "/ingest/UserEvent/1.0",
    ] {
        rig.ask("GET", path).assert_problem(404, "not_found");
        rig.ask("POST", path).assert_problem(404, "not_found");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "BREW"] {
        for path in [
            "/health",
            "/ready",
            "/routes",
            "/openapi.json",
            "/status",
            "/metrics",
        ] {
            let answer = rig.ask(method, path);
            answer.assert_problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    let rig = Rig::start();
    for path in ["/health", "/ready", "/routes", "/metrics", "/nowhere"] {
        let (get, head) = (rig.ask("GET", path), rig.ask("HEAD", path));
        if path == "/metrics" {
            // The ages that it shows grow from one answer to the next.
            for field in ["content-type", "cache-control", "connection"] {
                assert_eq!(head.header(field), get.header(field));
            }
            assert!(head.header("content-length").is_some());
        } else {
            assert_eq!(head.head, get.head);
        }
        assert_eq!(head.body, "");
        assert_eq!(
            get.header("content-length"),
            Some(get.body.len().to_string().as_str())
        );
    }
}

#[test]
fn an_unread_body_does_not_cost_the_client_its_answer() {
    let rig = Rig::start();
    let head = "POST /health HTTP/1.1\r\nHost: localhost\r\n";
    let body = "x".repeat(60_000);
    let length = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    rig.send(length.as_bytes())
        .assert_problem(405, "method_not_allowed");
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\nea60\r\n{body}\r\n0\r\n\r\n");
    rig.send(chunked.as_bytes())
        .assert_problem(405, "method_not_allowed");
}

#[test]
fn nothing_after_the_first_head_is_a_request() {
    let rig = Rig::start();
    let smuggled = "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /ready HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = rig.send(smuggled.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, r#"{"status":"serving"}"#);
}

#[test]
fn malformed_requests_are_answered_and_survived() {
    let rig = Rig::start();
    let too_many = "A: b\r\n".repeat(97);
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nContent-Length: +1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
        "GET /\u{7f} HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\n{too_many}\r\n"),
        "\0\0\0\0\r\n\r\n".to_owned(),
    ] {
        rig.send(request.as_bytes())
            .assert_problem(400, "malformed_request");
        assert_eq!(rig.ask("GET", "/health").status, 200);
    }
}

/// At 65,536 bytes of a name monoio-http panics; the bound on the head comes first.
#[test]
fn an_outsized_head_is_refused_and_survived() {
    let rig = Rig::start();
    for length in [40_000, 65_535, 65_536, 70_000] {
        let name = "n".repeat(length);
        for filler in [format!("{name}: v"), format!("v: {name}"), name] {
            let request = format!("GET /health HTTP/1.1\r\n{filler}\r\n\r\n");
            let answer = rig.send(request.as_bytes());
            answer.assert_problem(431, "head_too_large");
            assert_eq!(rig.ask("GET", "/health").status, 200);
        }
    }
}

#[test]
fn a_client_that_never_stops_sending_is_cut_off() {
    let rig = Rig::start();
    let mut stream = rig.connect();
    let line = format!("v: {}\r\n", "n".repeat(1_000));
    stream
        .write_all(b"GET /health HTTP/1.1\r\n")
        .expect("it reads");
    // The kernel's buffers take some megabytes before a broken connection shows.
    let refused = (0..1_000_000).find_map(|_| stream.write_all(line.as_bytes()).err());
    assert!(refused.is_some(), "a gigabyte was taken");
    assert_eq!(rig.ask("GET", "/health").status, 200);
}

#[test]
fn a_head_within_the_bound_is_taken() {
    let rig = Rig::start();
    let frame = "GET /health HTTP/1.1\r\nv: \r\n\r\n".len();
    let request = |bytes: usize| {
        let value = "n".repeat(bytes - frame);
        rig.send(format!("GET /health HTTP/1.1\r\nv: {value}\r\n\r\n").as_bytes())
    };
    assert_eq!(request(16_383).status, 200);
    assert_eq!(request(16_384).status, 200);
    // A read may go beyond the bound by the room in its buffer, never by more than the bound.
    request(2 * 16_384 + 1).assert_problem(431, "head_too_large");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let rig = Rig::start();
    let mut stream = rig.connect();
    stream.set_nodelay(true).expect("a socket option");
    for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        stream.write_all(&[*byte]).expect("it reads");
    }
    assert_eq!(Answer::read(&mut stream).status, 200);
}

#[test]
fn a_half_closed_client_is_answered_and_a_gone_one_is_not() {
    let rig = Rig::start();
    let mut stream = rig.connect();
    stream
        .write_all(b"GET /health HTTP/1.1\r\n\r\n")
        .expect("it reads");
    stream.shutdown(Shutdown::Write).expect("a half close");
    assert_eq!(Answer::read(&mut stream).status, 200);

    for sent in ["", "GET /hea", "GET /health HTTP/1.1\r\nHost"] {
        let mut stream = rig.connect();
        stream.write_all(sent.as_bytes()).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("a half close");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a close");
        assert_eq!(answer, b"", "after {sent:?}");
    }
}

#[test]
fn slow_clients_are_answered_and_delay_no_others() {
    let rig = Rig::start();
    let mut slow: Vec<TcpStream> = ["", "GET /hea", "GET /health HTTP/1.1\r\n"]
        .into_iter()
        .map(|sent| {
            let mut stream = rig.connect();
            stream.write_all(sent.as_bytes()).expect("it reads");
            stream
        })
        .collect();
    assert_eq!(rig.ask("GET", "/health").status, 200);
    for stream in &mut slow {
        Answer::read(stream).assert_problem(408, "request_timeout");
    }
}

/// Connections that send nothing, or only the start of a request, keep no other from its answer.
#[test]
fn the_oldest_connection_gives_way_to_one_too_many() {
    let rig = Rig::start();
    let mut held: Vec<TcpStream> = (0..CONNECTIONS_MAX - 1)
        .map(|number| {
            let mut stream = rig.connect();
            if number % 2 == 0 {
                stream.write_all(b"GET /hea").expect("it reads");
            }
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(rig.ask("GET", "/health").status, 200, "the last place");
    for _ in 0..5 {
        held.push(rig.connect());
        assert_eq!(rig.ask("GET", "/health").status, 200);
    }
    assert!(began.elapsed() < REQUEST_TIMEOUT, "it waited for a timeout");
    let mut answer = Vec::new();
    held[0].read_to_end(&mut answer).expect("a close");
    assert_eq!(answer, b"", "the oldest");
    let newest = held.last_mut().expect("the last");
    newest
        .write_all(b"GET /health HTTP/1.1\r\n\r\n")
        .expect("it is open");
    assert_eq!(Answer::read(newest).status, 200);
}

#[test]
fn full_connections_are_named_by_ready_and_are_no_reason_to_be_not_ready() {
    let rig = Rig::start();
    rig.set_all(WorkerState::Ready);
    let guard = rig.connections.enter(None).expect("1 of 1");
    let answer = rig.ask("GET", "/ready");
    assert_eq!(answer.status, 200);
    let degraded = serde_json::json!({"ready": true, "degraded": "connections_full"});
    assert_eq!(answer.json(), degraded);
    drop(guard);
    assert_eq!(
        rig.ask("GET", "/ready").json(),
        serde_json::json!({"ready": true})
    );
}

#[test]
fn an_address_in_use_is_an_error_at_start() {
    let rig = Rig::start();
    let readiness = Arc::new(Readiness::new(0));
    let second = admin::spawn(
        rig.address(),
        AdminState {
            published: Arc::clone(&rig.published),
            exposition: Exposition::new(Sources {
                published: Arc::clone(&rig.published),
                codes: Vec::new(),
                workers: Vec::new(),
                process: Arc::default(),
                readiness: Arc::clone(&readiness),
                in_flight_bytes_max: 0,
                connections_max: 0,
                watch: None,
            }),
            readiness,
            connections: Arc::clone(&rig.connections),
            page: page_facts(),
            samples: None,
        },
    );
    assert_eq!(
        second.expect_err("in use").kind(),
        std::io::ErrorKind::AddrInUse
    );
    assert_eq!(rig.ask("GET", "/health").status, 200);
}

#[test]
fn stopping_frees_the_address() {
    let mut rig = Rig::start();
    let address = rig.address();
    let idle = rig.connect();
    rig.handle.take().expect("it runs").stop();
    assert!(TcpStream::connect(address).is_err(), "still listening");
    drop(idle);
}
