//! The corpus of `tests/http` against a running server, every case in several deliveries: what is
//! answered, and whether the connection goes on, must not depend on how the bytes arrive.

#[path = "../http/corpus.rs"]
mod corpus;
#[path = "../http/foreign.rs"]
mod foreign;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use corpus::{BODY_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, PROBE};
use foreign::Expected;

use crate::support::{event::TOPIC, mock::Mock, ringest::Ringest};

/// How bytes are handed to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    /// In one write.
    Whole,
    /// In one write, and then the client's side is closed.
    HalfClosed,
    /// One byte a write.
    Bytes,
    /// Cut behind every LF.
    Lines,
    /// Cut at places that depend on this seed and the length.
    Random(u64),
}

const DELIVERIES: [Delivery; 6] = [
    Delivery::Whole,
    Delivery::HalfClosed,
    Delivery::Bytes,
    Delivery::Lines,
    Delivery::Random(1),
    Delivery::Random(2),
];

/// Connections at a time.
const CLIENTS: usize = 8;

/// A server that neither answers nor closes for so long has lost the request; its own deadlines are
/// far beyond.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// A request that is accepted.
const GOOD: &[u8] = b"POST /ingest/Event HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";

/// Its answer.
const ACCEPTED: &str = r#"{"accepted":1}"#;

/// How many of these are pipelined before a case.
const BEFORE: usize = 2;

/// How often the case is behind them.
const TIMES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content: String,
}

/// The pieces of one delivery.
fn pieces(bytes: &[u8], delivery: Delivery) -> Vec<&[u8]> {
    match delivery {
        Delivery::Whole | Delivery::HalfClosed => vec![bytes],
        Delivery::Bytes => bytes.chunks(1).collect(),
        Delivery::Lines => bytes.split_inclusive(|&byte| byte == b'\n').collect(),
        Delivery::Random(seed) => {
            // Knuth's MMIX generator: the same cuts in every run.
            let mut state = seed.wrapping_add(bytes.len() as u64);
            let mut rest = bytes;
            let mut pieces = Vec::new();
            while !rest.is_empty() {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let longest = (bytes.len() / 4).clamp(1, 400) as u64;
                let len = usize::try_from((state >> 33) % longest + 1)
                    .map_or(1, |len| len.min(rest.len()));
                let (piece, behind) = rest.split_at(len);
                pieces.push(piece);
                rest = behind;
            }
            pieces
        }
    }
}

/// Sends `bytes` and returns all that came back until the server ended the connection.
fn exchange(address: SocketAddr, bytes: &[u8], delivery: Delivery) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOST_AFTER))?;
    for (count, piece) in pieces(bytes, delivery).into_iter().enumerate() {
        // The server may have refused the request and be gone: its answer is what counts.
        if stream.write_all(piece).is_err() {
            break;
        }
        // Gives the server the chance to see this piece alone; seldom in long cases.
        if count < 32 || count % 64 == 0 {
            thread::sleep(Duration::from_micros(20));
        }
    }
    if delivery == Delivery::HalfClosed {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => Ok(received),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(received),
        Err(error) => Err(error),
    }
}

/// Splits what was received into final answers; `bodiless`: whether the one with this index answers a
/// HEAD.
fn answers(received: &[u8], bodiless: impl Fn(usize) -> bool) -> Result<Vec<Answer>, String> {
    let text = String::from_utf8_lossy(received);
    let mut rest = &*text;
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest
            .split_once("\r\n\r\n")
            .ok_or(format!("half an answer: {rest:?}"))?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|line| line.get(..3)?.parse().ok())
            .ok_or(format!("no status line: {status_line:?}"))?;
        let value = |name: &str| {
            let mut fields = lines.clone().filter_map(|line| line.split_once(':'));
            let field = fields.find(|(it, _)| it.eq_ignore_ascii_case(name));
            field.map(|(_, value)| value.trim())
        };
        let length = value("content-length").and_then(|it| it.parse().ok());
        let length = length.unwrap_or(0);
        let interim = status < 200;
        let length = if interim || bodiless(answers.len()) {
            0
        } else {
            length
        };
        let content = behind
            .get(..length)
            .ok_or(format!("content is cut: {behind:?}"))?;
        if !interim {
            // It differs from request to request.
            let id = value("x-request-id").ok_or("no identifier")?;
            answers.push(Answer {
                status,
                content: content.replace(id, ""),
            });
        }
        rest = &behind[length..];
    }
    Ok(answers)
}

/// Sends a case and the probe behind it.
fn converse(address: SocketAddr, case: &[u8], delivery: Delivery) -> Result<Vec<Answer>, String> {
    let bytes = [case, PROBE].concat();
    let received = exchange(address, &bytes, delivery).map_err(|error| error.to_string())?;
    answers(&received, |n| n == 0 && case.starts_with(b"HEAD "))
}

/// Sends requests that are accepted, the case several times, and the probe: all the answers but the
/// first [`BEFORE`].
fn converse_pipelined(
    address: SocketAddr,
    case: &[u8],
    answers_of_case: usize,
    delivery: Delivery,
) -> Result<Vec<Answer>, String> {
    let bytes = [GOOD.repeat(BEFORE), case.repeat(TIMES), PROBE.to_vec()].concat();
    let received = exchange(address, &bytes, delivery).map_err(|error| error.to_string())?;
    let is_head = |n: usize| {
        let heads = (BEFORE..).step_by(answers_of_case.max(1)).take(TIMES);
        case.starts_with(b"HEAD ") && heads.into_iter().any(|head| head == n)
    };
    let mut answers = answers(&received, is_head)?;
    let behind = answers.split_off(BEFORE.min(answers.len()));
    let accepted = |answer: &Answer| answer.status == 200 && answer.content == ACCEPTED;
    if answers.len() < BEFORE || !answers.iter().all(accepted) {
        return Err(format!("{answers:?} before the case"));
    }
    Ok(behind)
}

/// Runs `check` for every item on a few threads and returns the complaints.
fn complaints<T: Sync>(
    items: &[T],
    check: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = check(item) {
                        complaints
                            .lock()
                            .expect("no client panicked")
                            .push(complaint);
                    }
                }
            });
        }
    });
    complaints.into_inner().expect("no client panicked")
}

/// Waits until a record is acknowledged: the producer connects in its own time.
fn wait_until_delivering(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let first =
            converse(address, GOOD, Delivery::Whole).map(|answers| answers.first().cloned());
        match first {
            Ok(Some(answer)) if answer.status == 200 => return,
            other => assert!(
                Instant::now() < deadline,
                "no record is acknowledged: {other:?}"
            ),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn check_case(address: SocketAddr, case: &corpus::Case) -> Result<(), String> {
    let bytes = case.bytes();
    let mut first: Option<Vec<Answer>> = None;
    for delivery in DELIVERIES {
        let complain = |what: String| format!("{}, {delivery:?}: {what}", case.title());
        let answers = converse(address, &bytes, delivery).map_err(complain)?;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let open = [&case.answers[..], &[200]].concat();
        let as_expected = match case.closes {
            Some(true) => statuses == case.answers,
            Some(false) => statuses == open,
            None => statuses == case.answers || statuses == open,
        };
        if !as_expected {
            let expected = (&case.answers, case.closes);
            return Err(complain(format!(
                "{statuses:?} instead of {expected:?}; {answers:?}"
            )));
        }
        match &first {
            None => first = Some(answers),
            Some(first) if *first == answers => {}
            Some(first) => return Err(complain(format!("{answers:?}, but at first {first:?}"))),
        }
    }
    Ok(())
}

/// Pipelined behind requests that wait for the broker, a case gets the answers that it gets alone, each
/// time that it is there: once where it ends the connection.
fn check_pipelined(address: SocketAddr, case: &corpus::Case) -> Result<(), String> {
    let bytes = case.bytes();
    let alone = converse(address, &bytes, Delivery::Whole)?;
    let (of_case, behind) = alone.split_at(case.answers.len().min(alone.len()));
    let times = if behind.is_empty() { 1 } else { TIMES };
    let of_cases = (0..times).flat_map(|_| of_case);
    let expected: Vec<Answer> = of_cases.chain(behind).cloned().collect();
    for delivery in DELIVERIES {
        let complain = |what: String| format!("{}, {delivery:?}: {what}", case.title());
        let answers = converse_pipelined(address, &bytes, case.answers.len(), delivery);
        let answers = answers.map_err(complain)?;
        if answers != expected {
            return Err(complain(format!("{answers:?}, but alone {expected:?}")));
        }
    }
    Ok(())
}

fn check_foreign(address: SocketAddr, case: &foreign::ForeignCase) -> Result<(), String> {
    let mut first: Option<Vec<Answer>> = None;
    for delivery in DELIVERIES {
        let complain = |what: String| format!("{}, {delivery:?}: {what}", case.id);
        let answers = converse(address, &case.bytes, delivery).map_err(complain)?;
        let is_refusal = |answer: &Answer| matches!(answer.status, 400..=499 | 501 | 505);
        let faults_framing = |answer: &Answer| matches!(answer.status, 400 | 431 | 500..);
        let as_expected = match case.expected {
            Expected::Reject => answers.len() <= 1 && answers.iter().all(is_refusal),
            Expected::Accept(requests) => {
                [requests, requests + 1].contains(&answers.len())
                    && !answers.iter().any(faults_framing)
            }
        };
        if !as_expected {
            return Err(complain(format!(
                "{answers:?} instead of {:?}",
                case.expected
            )));
        }
        match &first {
            None => first = Some(answers),
            Some(first) if *first == answers => {}
            Some(first) => return Err(complain(format!("{answers:?}, but at first {first:?}"))),
        }
    }
    Ok(())
}

/// A server with the limits that the cases count on.
fn start(mock: &Mock) -> Ringest {
    const DEADLINE_MS: &str = "60000";
    Ringest::builder(&mock.brokers())
        .model("Event", "1.0", TOPIC)
        .set("workers", "2")
        .set("limits.head_bytes_max", &HEAD_BYTES_MAX.to_string())
        .set("limits.headers_max", &HEADERS_MAX.to_string())
        .set("limits.body_bytes_max", &BODY_BYTES_MAX.to_string())
        .set("limits.record_bytes_max", &BODY_BYTES_MAX.to_string())
        .set("timeouts.head_timeout_ms", DEADLINE_MS)
        .set("timeouts.body_timeout_ms", DEADLINE_MS)
        .set("timeouts.idle_timeout_ms", DEADLINE_MS)
        .start()
}

/// Every case against one server, which outlives them all.
fn assert_all<T: Sync>(cases: &[T], check: impl Fn(SocketAddr, &T) -> Result<(), String> + Sync) {
    let mock = Mock::with_topics(&[TOPIC]);
    let mut ringest = start(&mock);
    let address = ringest.address();
    wait_until_delivering(address);
    let complaints = complaints(cases, |case| check(address, case));
    ringest.assert_running();
    assert!(
        complaints.is_empty(),
        "{} cases:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn every_case_is_answered_as_it_says_however_it_is_delivered() {
    assert_all(&corpus::cases(env!("CARGO_MANIFEST_DIR")), check_case);
}

#[test]
fn every_case_is_answered_the_same_when_it_is_pipelined() {
    assert_all(&corpus::cases(env!("CARGO_MANIFEST_DIR")), check_pipelined);
}

/// Another server's cases, where `RINGEST_TEST_HTTP_CASES` names a file of them.
#[test]
fn foreign_cases_are_answered_as_expected() {
    let cases = foreign::cases();
    if cases.is_empty() {
        eprintln!("skipped: RINGEST_TEST_HTTP_CASES is not set");
        return;
    }
    assert_all(&cases, check_foreign);
}
