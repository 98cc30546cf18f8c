//! Clients that post numbered records, each on a connection of its own, and note the answers.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{
    http::{Answer, Http},
    records::numbered,
};

/// What a client knows about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// 200: it is in the topic.
    Accepted,
    /// 503, `"persisted": "no"`: it is not.
    Refused,
    /// 503, `"persisted": "unknown"`: it may be.
    Unknown,
    /// The connection ended without an answer.
    Cut,
}

/// Running clients.
pub(crate) struct Load {
    accepted: Arc<AtomicUsize>,
    longest_ms: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<(usize, Fate)>>>,
}

impl Load {
    /// Starts `clients` that post to this path, record after record from number 0 on between them.
    pub(crate) fn start(address: SocketAddr, path: &'static str, clients: usize) -> Self {
        let next = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::new(AtomicUsize::new(0));
        let longest_ms = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..clients)
            .map(|_| {
                let client = Client {
                    address,
                    path,
                    next: Arc::clone(&next),
                    accepted: Arc::clone(&accepted),
                    longest_ms: Arc::clone(&longest_ms),
                    stop: Arc::clone(&stop),
                };
                thread::spawn(move || client.run())
            })
            .collect();
        Self {
            accepted,
            longest_ms,
            stop,
            clients,
        }
    }

    /// How many 200s there were until now.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The longest that a request has waited for its answer until now.
    pub(crate) fn longest_wait(&self) -> Duration {
        Duration::from_millis(self.longest_ms.load(Ordering::Relaxed))
    }

    /// Stops the clients after their current request, and returns what became of each record.
    pub(crate) fn finish(self) -> Vec<(usize, Fate)> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients
            .into_iter()
            .flat_map(|client| {
                client
                    .join()
                    .expect("a client saw an answer that may not be")
            })
            .collect()
    }
}

struct Client {
    address: SocketAddr,
    path: &'static str,
    next: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    longest_ms: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Client {
    /// Until it is to stop, or until ringest says or shows that it stops.
    fn run(&self) -> Vec<(usize, Fate)> {
        let mut fates = Vec::new();
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            let mut http = match connection.take() {
                Some(http) => http,
                None => match Http::connect(self.address) {
                    Ok(http) => http,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
                    Err(error) => panic!("connect: {error}"),
                },
            };
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let begin = Instant::now();
            let answer = http.post(self.path, &numbered(number));
            let waited = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.longest_ms.fetch_max(waited, Ordering::Relaxed);
            match answer {
                Ok(answer) => {
                    let fate = fate(&answer);
                    fates.push((number, fate));
                    if is_last(&answer) {
                        break;
                    }
                    if !answer.closes() {
                        connection = Some(http);
                    }
                    if fate == Fate::Accepted {
                        self.accepted.fetch_add(1, Ordering::Relaxed);
                    } else {
                        // Retry-After asks for more patience than a test has.
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                Err(error) => {
                    assert!(!http.is_within_answer(), "half an answer: {error}");
                    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "no answer in time");
                    fates.push((number, Fate::Cut));
                }
            }
        }
        fates
    }
}

/// Whether ringest is about to end: only then is a connection closed after a 200. A client that connects
/// once more may be waiting in the kernel's queue when the listener closes, which is no request cut.
fn is_last(answer: &Answer) -> bool {
    answer.closes() && (answer.status == 200 || answer.text("code") == "draining")
}

fn fate(answer: &Answer) -> Fate {
    match answer.status {
        200 => Fate::Accepted,
        503 if answer.text("persisted") == "no" => Fate::Refused,
        503 if answer.text("persisted") == "unknown" => Fate::Unknown,
        _ => panic!("{answer:?}"),
    }
}
