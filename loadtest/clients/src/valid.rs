//! Clients with valid tokens: one blocking thread a connection, so that measured times are those of
//! the server and the machine. A request that is due before the previous response has arrived waits;
//! its response time includes that wait.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    answer::{ANSWER_BYTES_MAX, Answer},
    percentile,
};

/// Time limit for a response.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    path: String,
    /// File with one token a line; consecutive requests use consecutive tokens.
    #[arg(long)]
    tokens: PathBuf,
    /// Send each token once and end after the last.
    #[arg(long)]
    once: bool,
    /// File with the body of each request.
    #[arg(long)]
    body: PathBuf,
    /// Source address of the connections.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    from: IpAddr,
    /// Requests a second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Time limit in seconds, unless stdin is closed earlier.
    #[arg(long)]
    seconds: u64,
}

/// Shared by all connections.
struct Load<'a> {
    arguments: &'a Arguments,
    before: String,
    tokens: Vec<&'a str>,
    after: String,
    start: Instant,
    taken: AtomicU64,
    stop: Arc<AtomicBool>,
}

/// Results of requests.
#[derive(Default)]
struct Sums {
    /// Response time of each 200, in microseconds.
    waits_us: Vec<u64>,
    answers: BTreeMap<u16, u64>,
    /// Requests without a response.
    failed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<Value> {
    let tokens = fs::read_to_string(&arguments.tokens)?;
    let load = Load {
        arguments,
        before: crate::before_token(arguments.server, &arguments.path),
        tokens: tokens.lines().collect(),
        after: crate::after_token(&fs::read_to_string(&arguments.body)?),
        start: Instant::now(),
        taken: AtomicU64::new(0),
        stop: Arc::default(),
    };
    if load.tokens.is_empty() {
        return Err(io::Error::other("no tokens"));
    }
    let stop = Arc::clone(&load.stop);
    thread::spawn(move || {
        // End of file and errors both end the load.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        stop.store(true, Ordering::Relaxed);
    });
    let sums: Vec<Sums> = thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.connections)
            .map(|_| scope.spawn(|| load.run()))
            .collect();
        (threads.into_iter())
            .map(|thread| thread.join().expect("no connection panics"))
            .collect()
    });
    Ok(report(sums))
}

impl Load<'_> {
    /// Runs one connection until the end; reconnects whenever it fails.
    fn run(&self) -> Sums {
        let mut sums = Sums::default();
        let mut stream = None;
        let mut free_since = self.start;
        while let Some((due, token)) = self.take() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            // Include the time that a request waited for the previous response, but not a late
            // wake-up of this thread.
            let from = if free_since > due {
                due
            } else {
                Instant::now()
            };
            if let Ok(status) = self.request(&mut stream, token) {
                *sums.answers.entry(status).or_default() += 1;
                if status == 200 {
                    let wait = from.elapsed().as_micros();
                    sums.waits_us.push(u64::try_from(wait).unwrap_or(u64::MAX));
                }
            } else {
                sums.failed += 1;
                stream = None;
            }
            free_since = Instant::now();
        }
        sums
    }

    /// The due time and the token of the next request; `None` at the end.
    fn take(&self) -> Option<(Instant, &str)> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let after = Duration::from_secs(number) / self.arguments.rate;
        let index = usize::try_from(number).ok()?;
        if after > Duration::from_secs(self.arguments.seconds)
            || self.stop.load(Ordering::Relaxed)
            || (self.arguments.once && index >= self.tokens.len())
        {
            return None;
        }
        Some((self.start + after, self.tokens[index % self.tokens.len()]))
    }

    /// Sends a request and returns the status; `stream` keeps the connection if it stays open.
    fn request(&self, stream: &mut Option<TcpStream>, token: &str) -> io::Result<u16> {
        let connection = match stream {
            Some(stream) => stream,
            None => stream.insert(self.connect()?),
        };
        let request = [&self.before, token, &self.after].concat();
        connection.write_all(request.as_bytes())?;
        let mut received = [0; ANSWER_BYTES_MAX];
        let mut filled = 0;
        loop {
            let read = connection.read(&mut received[filled..])?;
            // Also zero if a response fills the buffer.
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(answer) = Answer::parse(&received[..filled])? {
                if answer.closes {
                    *stream = None;
                }
                return Ok(answer.status);
            }
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = crate::connect(self.arguments.from, self.arguments.server)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(stream)
    }
}

fn report(parts: Vec<Sums>) -> Value {
    let mut sums = Sums::default();
    for part in parts {
        sums.waits_us.extend(part.waits_us);
        sums.failed += part.failed;
        for (status, count) in part.answers {
            *sums.answers.entry(status).or_default() += count;
        }
    }
    sums.waits_us.sort_unstable();
    json!({
        "requests": sums.answers.values().sum::<u64>() + sums.failed,
        "answers": sums.answers,
        "failed": sums.failed,
        "p50_us": percentile(&sums.waits_us, 500),
        "p99_us": percentile(&sums.waits_us, 990),
        "max_us": percentile(&sums.waits_us, 1000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let part = |status, waits_us: &[u64], failed| Sums {
            waits_us: waits_us.to_vec(),
            answers: BTreeMap::from([(status, 3)]),
            failed,
        };
        let sum = report(vec![part(200, &[5, 1], 0), part(503, &[], 2)]);
        assert_eq!(sum["requests"], 8);
        assert_eq!(sum["answers"], json!({"200": 3, "503": 3}));
        assert_eq!(sum["failed"], 2);
        assert_eq!((&sum["p50_us"], &sum["max_us"]), (&json!(1), &json!(5)));
    }
}
