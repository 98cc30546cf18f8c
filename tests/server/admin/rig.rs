//! A management listener to test, and a client that is stricter than most.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use ringest::{
    admin::{self, AdminHandle, AdminState, CodeLabel, Exposition, PageFacts, Sources},
    auth::AuthError,
    config::ListenAddress,
    connections::Connections,
    log::RequestLines,
    metrics::{Principals, ProcessMetrics, RouteMetrics, WorkerMetrics},
    model::Model,
    readiness::{Readiness, WorkerState},
    route::RouteTable,
    snapshot::{Published, Snapshot},
};

use super::openmetrics;
use crate::support::wait::PATIENCE;

const CODES: [CodeLabel; 4] = [
    code("accepted", 200),
    code("invalid_json", 400),
    code("overloaded", 503),
    code("topic_missing", 500),
];

const fn code(name: &'static str, status: u16) -> CodeLabel {
    CodeLabel { name, status }
}

/// Routes that each of two workers counts for.
pub(crate) fn snapshot(generation: u64, models: &[(&str, &str)]) -> Snapshot {
    let models = models.iter().map(|(name, version)| {
        let version = version.parse().expect("a version");
        Arc::new(Model::untyped(name, version, "topic"))
    });
    let routes = RouteTable::new(&models.collect::<Vec<_>>());
    let row = || Arc::new(RouteMetrics::new(CODES.len()));
    let rows = || routes.routes().iter().map(|_| row()).collect();
    Snapshot {
        generation,
        keys: None,
        tls: None,
        cache_entries: 0,
        cors: None,
        log: RequestLines::default(),
        metrics: vec![rows(), rows()],
        principals: Arc::new(Principals::new(2)),
        routes: Arc::new(routes),
    }
}

/// A listener with two routes and two workers.
pub(crate) struct Rig {
    pub(crate) published: Arc<Published>,
    pub(crate) workers: Vec<Arc<WorkerMetrics>>,
    pub(crate) process: Arc<ProcessMetrics>,
    pub(crate) readiness: Arc<Readiness>,
    /// At most one.
    pub(crate) connections: Arc<Connections>,
    pub(crate) handle: Option<AdminHandle>,
}

/// Those of a server for everybody at the usual port.
pub(crate) fn page_facts() -> PageFacts {
    PageFacts {
        public: ListenAddress::Tcp(([127, 0, 0, 1], 4000).into()),
        has_tls: false,
        is_authenticated: true,
        is_dev: false,
    }
}

impl Rig {
    pub(crate) fn start() -> Self {
        let models = [("UserEvent", "1.0"), ("odd\"\\name", "2")];
        let published = Arc::new(Published::new(snapshot(0, &models)));
        let worker = || Arc::new(WorkerMetrics::new(CODES.len(), AuthError::ALL.len()));
        let workers = vec![worker(), worker()];
        let process = Arc::new(ProcessMetrics::default());
        let readiness = Arc::new(Readiness::new(workers.len()));
        let connections = Arc::new(Connections::new(1, 0));
        let state = AdminState {
            page: page_facts(),
            samples: Some(Arc::default()),
            published: Arc::clone(&published),
            exposition: Exposition::new(Sources {
                published: Arc::clone(&published),
                codes: CODES.to_vec(),
                workers: workers.clone(),
                process: Arc::clone(&process),
                readiness: Arc::clone(&readiness),
                in_flight_bytes_max: 268_435_456,
                connections_max: 10_000,
                watch: None,
            }),
            readiness: Arc::clone(&readiness),
            connections: Arc::clone(&connections),
        };
        let handle = admin::spawn(([127, 0, 0, 1], 0).into(), state).expect("it starts");
        Self {
            published,
            workers,
            process,
            readiness,
            connections,
            handle: Some(handle),
        }
    }

    /// What a worker counts of a route.
    pub(crate) fn row(&self, worker: usize, route: usize) -> Arc<RouteMetrics> {
        Arc::clone(&self.published.latest().metrics[worker][route])
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.as_ref().expect("it runs").local_address
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it accepts");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
    }

    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).expect("it reads");
        Answer::read(&mut stream)
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    pub(crate) fn scrape(&self) -> openmetrics::Series {
        let answer = self.ask("GET", "/metrics");
        assert_eq!(answer.status, 200);
        let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(expected));
        openmetrics::read(&answer.body)
    }

    pub(crate) fn set_all(&self, state: WorkerState) {
        for worker in 0..self.workers.len() {
            self.readiness.set_worker(worker, state);
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop();
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads until the server closes, as it does after each answer.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a whole answer");
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let answer = Self {
            status: head
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3)?.parse().ok())
                .expect("a status"),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        assert_eq!(answer.header("connection"), Some("close"));
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.json()["status"], status);
        assert_eq!(self.json()["code"], code);
    }

    #[track_caller]
    pub(crate) fn assert_not_ready(&self, reason: &str) {
        assert_eq!(self.status, 503);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.json()["ready"], false);
        assert_eq!(self.json()["reason"], reason);
        assert!(self.json()["detail"].is_string());
    }
}
