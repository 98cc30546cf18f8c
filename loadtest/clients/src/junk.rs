//! The flood: one task a connection, each of which sends the next token when it is due and waits for
//! the response. A server that responds late or closes connections slows the flood down; the report
//! has the rate that was reached.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use monoio::{
    LegacyDriver, RuntimeBuilder,
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    token::{Junk, Kind},
};

/// Delay before a failed connection is retried.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// Bytes of a response, at most.
const ANSWER_BYTES_MAX: usize = 4_096;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    path: String,
    #[arg(long)]
    kind: Kind,
    /// A file with a valid JWT in its first line, which junk JWTs are derived from.
    #[arg(long, required_if_eq("kind", "jwt-signature"))]
    jwt: Option<PathBuf>,
    /// Number of tokens.
    #[arg(long)]
    count: u64,
    /// Tokens a second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Number of source addresses; 1: 127.0.0.1, else 127.1.0.1 and the following ones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    addresses: u16,
    /// Time limit in seconds.
    #[arg(long)]
    seconds: u64,
}

/// Shared by all connections.
struct Flood {
    server: SocketAddr,
    before: String,
    after: String,
    rate: f64,
    count: u64,
    start: Instant,
    state: RefCell<State>,
}

struct State {
    junk: Junk,
    /// Tokens that connections have started to send.
    taken: u64,
    answers: BTreeMap<u16, u64>,
    /// Tokens without a response.
    cut_off: u64,
    connects_failed: u64,
}

pub(crate) fn run(arguments: Arguments) -> io::Result<Value> {
    let jwt = arguments.jwt.map(fs::read_to_string).transpose()?;
    let jwt = jwt
        .as_deref()
        .and_then(|it| it.lines().next())
        .unwrap_or_default();
    let flood = Rc::new(Flood {
        server: arguments.server,
        before: crate::before_token(arguments.server, &arguments.path),
        after: crate::after_token("{}"),
        rate: f64::from(arguments.rate),
        count: arguments.count,
        start: Instant::now(),
        state: RefCell::new(State {
            junk: Junk::new(arguments.kind, jwt, fastrand::u64(..)),
            taken: 0,
            answers: BTreeMap::new(),
            cut_off: 0,
            connects_failed: 0,
        }),
    });
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new()
        .enable_timer()
        .build()?;
    let finished = runtime.block_on(async {
        let connections: Vec<_> = (0..arguments.connections)
            .map(|index| {
                let from = address(index % arguments.addresses, arguments.addresses);
                monoio::spawn(connection(Rc::clone(&flood), from))
            })
            .collect();
        let all = async {
            for connection in connections {
                connection.await;
            }
        };
        timeout(Duration::from_secs(arguments.seconds), all)
            .await
            .is_ok()
    });
    let seconds = flood.start.elapsed().as_secs_f64();
    let state = flood.state.borrow();
    let answered: u64 = state.answers.values().sum();
    Ok(json!({
        "seconds": seconds,
        "finished": finished,
        "sent": state.taken,
        "answered": answered,
        "answers": state.answers,
        "cut_off": state.cut_off,
        "connects_failed": state.connects_failed,
    }))
}

/// One of several source addresses. A single one is also that of the valid client, as behind a proxy.
fn address(index: u16, of: u16) -> IpAddr {
    let [high, low] = (index + 1).to_be_bytes();
    match of {
        1 => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv4Addr::new(127, 1, high, low).into(),
    }
}

async fn connection(flood: Rc<Flood>, from: IpAddr) {
    while let Some(number) = flood.take() {
        let Ok(mut stream) = connect(from, flood.server) else {
            flood.give_back();
            sleep(RETRY_AFTER).await;
            continue;
        };
        if converse(&flood, &mut stream, number).await.is_err() {
            flood.state.borrow_mut().cut_off += 1;
        }
    }
}

fn connect(from: IpAddr, server: SocketAddr) -> io::Result<TcpStream> {
    let stream = crate::connect(from, server)?;
    // monoio's epoll driver expects a non-blocking socket.
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Sends this token and the next ones until all are sent or the server closes the connection.
///
/// # Errors
/// If the connection fails before the last token was answered.
async fn converse(flood: &Flood, stream: &mut TcpStream, number: u64) -> io::Result<()> {
    let mut request = Vec::new();
    let mut received = Vec::with_capacity(ANSWER_BYTES_MAX);
    let mut next = Some(number);
    while let Some(number) = next {
        flood.await_due(number).await;
        request.clear();
        flood.write_request(&mut request);
        let (written, buffer) = stream.write_all(request).await;
        written?;
        request = buffer;
        received.clear();
        let answer = loop {
            let filled = received.len();
            let (read, slice) = stream.read(received.slice_mut(filled..)).await;
            received = slice.into_inner();
            // Also zero if a response fills the buffer.
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = Answer::parse(&received)? {
                break answer;
            }
        };
        *flood
            .state
            .borrow_mut()
            .answers
            .entry(answer.status)
            .or_default() += 1;
        if answer.closes {
            return Ok(());
        }
        next = flood.take();
    }
    Ok(())
}

impl Flood {
    /// The number of the next token, if there is one left.
    fn take(&self) -> Option<u64> {
        let mut state = self.state.borrow_mut();
        let number = state.taken;
        (number < self.count).then(|| {
            state.taken += 1;
            number
        })
    }

    /// Returns a token that could not be sent because connecting failed.
    fn give_back(&self) {
        let mut state = self.state.borrow_mut();
        state.connects_failed += 1;
        state.taken -= 1;
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
    async fn await_due(&self, number: u64) {
        let due = Duration::from_secs_f64(number as f64 / self.rate);
        let early = due.saturating_sub(self.start.elapsed());
        if !early.is_zero() {
            sleep(early).await;
        }
    }

    fn write_request(&self, request: &mut Vec<u8>) {
        request.extend_from_slice(self.before.as_bytes());
        self.state.borrow_mut().junk.write(request);
        request.extend_from_slice(self.after.as_bytes());
    }
}
