//! Open loop at a constant rate, from one thread: a request is sent when it is due, on any connection
//! that is free, and its response time counts from then on, however long it waited for one (no
//! coordinated omission). Times are good to 0.1 ms.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde_json::{Value, json};

use crate::{
    answer::{ANSWER_BYTES_MAX, Answer},
    percentile,
};

/// Between two looks at the connections.
const PAUSE: Duration = Duration::from_micros(50);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    /// Path of the requests; where it is repeated, they take turns.
    #[arg(long, required = true)]
    path: Vec<String>,
    /// File with the body of each request.
    #[arg(long)]
    body: PathBuf,
    /// Requests a second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    #[arg(long)]
    seconds: u64,
    /// How many seconds answers are awaited after the last request.
    #[arg(long, default_value_t = 10)]
    grace: u64,
}

struct Connection {
    stream: TcpStream,
    /// When its request was due; `None` while it is free.
    due: Option<Instant>,
    received: Vec<u8>,
}

struct Load<'a> {
    arguments: &'a Arguments,
    requests: Vec<Vec<u8>>,
    poll: Poll,
    connections: Vec<Connection>,
    free: Vec<usize>,
    /// Requests that are due and have no connection.
    waiting: VecDeque<Instant>,
    sent: usize,
    /// From the first request to the last answer.
    elapsed: Duration,
    sums: Sums,
}

/// Results of requests.
#[derive(Default)]
struct Sums {
    /// Response times in microseconds, by status.
    waits_us: BTreeMap<u16, Vec<u64>>,
    failed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<Value> {
    let body = fs::read_to_string(&arguments.body)?;
    let requests = arguments.path.iter().map(|path| {
        let (server, bytes) = (arguments.server, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
             Content-Length: {bytes}\r\n\r\n"
        );
        [head.as_bytes(), body.as_bytes()].concat()
    });
    let mut load = Load {
        arguments,
        requests: requests.collect(),
        poll: Poll::new()?,
        connections: Vec::new(),
        free: (0..usize::from(arguments.connections)).collect(),
        waiting: VecDeque::new(),
        sent: 0,
        elapsed: Duration::ZERO,
        sums: Sums::default(),
    };
    for index in 0..usize::from(arguments.connections) {
        let connection = load.connect(index)?;
        load.connections.push(connection);
    }
    load.run()?;
    Ok(load.report())
}

impl Load<'_> {
    fn connect(&self, index: usize) -> io::Result<Connection> {
        let stream = crate::connect(Ipv4Addr::LOCALHOST.into(), self.arguments.server)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let registry = self.poll.registry();
        registry.register(&mut stream, Token(index), Interest::READABLE)?;
        Ok(Connection {
            stream,
            due: None,
            received: Vec::with_capacity(ANSWER_BYTES_MAX),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let end = start + Duration::from_secs(self.arguments.seconds);
        let last = end + Duration::from_secs(self.arguments.grace);
        let mut events = Events::with_capacity(1_024);
        let mut due_count = 0_u64;
        loop {
            let now = Instant::now();
            loop {
                let due = start + Duration::from_secs(due_count) / self.arguments.rate;
                if due > now || due >= end {
                    break;
                }
                self.waiting.push_back(due);
                due_count += 1;
            }
            for _ in 0..self.waiting.len().min(self.free.len()) {
                if let (Some(due), Some(index)) = (self.waiting.pop_front(), self.free.pop()) {
                    self.send(index, due)?;
                }
            }
            let has_ended = self.free.len() == self.connections.len() && now >= end;
            if has_ended || now >= last {
                self.elapsed = start.elapsed();
                return Ok(());
            }
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                self.receive(event.token().0)?;
            }
            if events.is_empty() {
                thread::sleep(PAUSE);
            }
        }
    }

    fn send(&mut self, index: usize, due: Instant) -> io::Result<()> {
        let request = &self.requests[self.sent % self.requests.len()];
        self.sent += 1;
        let connection = &mut self.connections[index];
        connection.due = Some(due);
        // A request is far smaller than a socket's buffer.
        if connection.stream.write_all(request).is_err() {
            self.fail(index)?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let mut buffer = [0; ANSWER_BYTES_MAX];
        loop {
            match connection.stream.read(&mut buffer) {
                Ok(0) => return self.fail(index),
                Ok(read) => connection.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.fail(index),
            }
            if connection.received.len() > ANSWER_BYTES_MAX {
                return self.fail(index);
            }
        }
        let Some(answer) = Answer::parse(&connection.received)? else {
            return Ok(());
        };
        connection.received.drain(..answer.len);
        if let Some(due) = connection.due.take() {
            self.sums.add(due, Some(answer.status));
        }
        if answer.closes {
            self.connections[index] = self.connect(index)?;
        }
        self.free.push(index);
        Ok(())
    }

    /// The connection has ended; another one takes its place.
    fn fail(&mut self, index: usize) -> io::Result<()> {
        if let Some(due) = self.connections[index].due.take() {
            self.sums.add(due, None);
            self.free.push(index);
        }
        self.connections[index] = self.connect(index)?;
        Ok(())
    }

    fn report(mut self) -> Value {
        let unanswered = self.connections.iter().filter(|it| it.due.is_some());
        let unanswered = unanswered.count() + self.waiting.len();
        let answers: BTreeMap<_, _> = (self.sums.waits_us.iter_mut())
            .map(|(status, waits)| {
                waits.sort_unstable();
                let times = json!({
                    "count": waits.len(),
                    "p50_us": percentile(waits, 500),
                    "p99_us": percentile(waits, 990),
                    "p999_us": percentile(waits, 999),
                    "max_us": percentile(waits, 1_000),
                });
                (status.to_string(), times)
            })
            .collect();
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "answers": answers,
            "failed": self.sums.failed,
            "unanswered": unanswered,
        })
    }
}

impl Sums {
    /// A request that was due then has ended; `status`: `None` without an answer.
    fn add(&mut self, due: Instant, status: Option<u16>) {
        match status {
            Some(status) => {
                let wait = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.waits_us.entry(status).or_default().push(wait);
            }
            None => self.failed += 1,
        }
    }
}
