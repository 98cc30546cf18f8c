//! Spans of requests, as a collector gets them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    mock::Mock,
    ringest::{Builder, Ringest, drivers},
    wait::{PATIENCE, await_that, eventually},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A request to the collector: its head, in lower case, and its body.
type Export = (String, Vec<u8>);

/// An OTLP receiver.
struct Collector {
    url: String,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Collector {
    /// One that answers with these statuses in turn, and with 200 from then on; `None`: never.
    fn start(statuses: &'static [Option<u16>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let exports = Arc::<Mutex<Vec<Export>>>::default();
        let received = Arc::clone(&exports);
        thread::spawn(move || {
            let mut statuses = statuses.iter();
            let mut silent = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
                while let Some(export) = export(&mut reader) {
                    let status = statuses.next().copied().unwrap_or(Some(200));
                    received.lock().expect("no panic").push(export);
                    let Some(status) = status else {
                        silent.push(stream);
                        break;
                    };
                    answer(&stream, status);
                }
            }
        });
        Self {
            url: format!("http://{address}"),
            exports,
        }
    }

    /// What it has received so far.
    fn exports(&self) -> Vec<Export> {
        self.exports.lock().expect("no panic").clone()
    }

    /// All spans so far.
    fn spans(&self) -> Vec<Message> {
        let exports = self.exports();
        let messages = exports.iter().map(|(_, body)| Message::of(body));
        messages
            .flat_map(|it| it.below(&[1, 2, 2]))
            .collect::<Vec<_>>()
    }

    /// The spans of a trace, once there are that many.
    #[track_caller]
    fn trace(&self, id: &str, count: usize) -> Vec<Message> {
        let of_trace = || {
            let spans = self.spans().into_iter();
            let spans: Vec<_> = spans.filter(|span| hex(&span.bytes(1)) == id).collect();
            (spans.len() == count).then_some(spans)
        };
        let found = eventually(PATIENCE, of_trace);
        found.unwrap_or_else(|| panic!("not {count} spans of {id}: {:?}", self.spans()))
    }
}

fn export(reader: &mut impl BufRead) -> Option<Export> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split_once("content-length: ").expect("its length").1;
    let length = length.lines().next()?.parse().expect("a number");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn answer(mut stream: &TcpStream, status: u16) {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n");
    // The client may be gone.
    let _ = stream.write_all(head.as_bytes());
}

/// A message of Protocol Buffers, whatever its type: its fields by their numbers.
#[derive(Debug)]
struct Message(BTreeMap<u64, Vec<Field>>);

#[derive(Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    fn of(mut bytes: &[u8]) -> Self {
        let mut fields = BTreeMap::<_, Vec<_>>::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let field = match tag & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => {
                    let (number, rest) = bytes.split_first_chunk::<8>().expect("8 bytes");
                    bytes = rest;
                    Field::Number(u64::from_le_bytes(*number))
                }
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).expect("small");
                    let (content, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(content.to_vec())
                }
                other => panic!("wire type {other}"),
            };
            fields.entry(tag >> 3).or_default().push(field);
        }
        Self(fields)
    }

    fn fields(&self, number: u64) -> impl Iterator<Item = &Field> {
        self.0.get(&number).into_iter().flatten()
    }

    /// The content of a field, empty where there is none.
    fn bytes(&self, number: u64) -> Vec<u8> {
        match self.fields(number).next() {
            Some(Field::Bytes(bytes)) => bytes.clone(),
            other => {
                assert!(other.is_none(), "{self:?}");
                Vec::new()
            }
        }
    }

    fn text(&self, number: u64) -> String {
        String::from_utf8(self.bytes(number)).expect("text")
    }

    fn number(&self, number: u64) -> u64 {
        match self.fields(number).next() {
            Some(Field::Number(number)) => *number,
            other => panic!("{other:?}"),
        }
    }

    /// The messages at the end of a path of fields.
    fn below(&self, path: &[u64]) -> Vec<Self> {
        let [first, rest @ ..] = path else {
            return Vec::new();
        };
        let messages = self.fields(*first).map(|field| match field {
            Field::Bytes(bytes) => Self::of(bytes),
            Field::Number(_) => panic!("{self:?}"),
        });
        if rest.is_empty() {
            return messages.collect();
        }
        messages.flat_map(|it| it.below(rest)).collect()
    }

    /// The attributes that are a field of this one.
    fn attributes(&self, number: u64) -> BTreeMap<String, String> {
        let attributes = self.below(&[number]).into_iter().map(|attribute| {
            let [value] = &attribute.below(&[2])[..] else {
                panic!("{attribute:?}");
            };
            let integer = value.fields(3).next().map(|_| value.number(3).to_string());
            (attribute.text(1), integer.unwrap_or_else(|| value.text(1)))
        });
        attributes.collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
    }
    panic!("too long")
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn start(collector: &Collector, configure: impl FnOnce(Builder) -> Builder) -> (Mock, Ringest) {
    let mock = Mock::with_topics(&[TOPIC]);
    let builder = Ringest::builder(&mock.brokers())
        .model("Event", "1.0", TOPIC)
        .set("workers", "1")
        .set("traces.endpoint", &collector.url);
    let ringest = configure(builder).start();
    (mock, ringest)
}

/// Posts on a new connection; the answer's status.
fn post(ringest: &Ringest, lines: &str, body: &[u8]) -> u16 {
    let mut http = ringest.connect();
    let head = format!(
        "POST {PATH}?secret=in-a-query HTTP/1.1\r\nHost: ringest\r\n{lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    http.send(&[head.as_bytes(), body].concat())
        .expect("ringest reads");
    http.answer().expect("an answer").status
}

/// An export is counted when the collector has answered.
fn await_exported(ringest: &Ringest, traces: u64) {
    await_that("it is not counted", || {
        ringest.count_of("ringest_traces_total", r#"result="exported""#) == traces
    });
}

#[test]
fn a_sampled_request_is_a_span_of_its_clients_trace_with_its_stages() {
    for driver in &drivers() {
        let collector = Collector::start(&[]);
        let (_mock, ringest) = start(&collector, |it| {
            it.set("listen.driver", driver)
                .set("traces.sample_ratio", "0")
                .set("traces.service_name", "edge")
                .file("headers", b"# a comment\nX-Scope: team-a\n")
                .set("traces.headers_file", "headers")
        });
        let parent =
            |flags| format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\nX-Request-Id: a-1\r\n");
        assert_eq!(post(&ringest, "", RECORD), 200);
        assert_eq!(post(&ringest, &parent("00"), RECORD), 200);
        assert_eq!(post(&ringest, &parent("01"), RECORD), 200);

        let spans = collector.trace(TRACE, 5);
        assert_eq!(collector.spans().len(), 5, "no other request is sampled");
        let [request, stages @ ..] = &spans[..] else {
            panic!("no span");
        };
        assert_eq!(hex(&request.bytes(4)), PARENT);
        assert_eq!(request.text(5), format!("POST {PATH}"));
        assert_eq!(request.number(6), 2, "of a server");
        let id = request.bytes(2);
        assert_eq!(id.len(), 8);
        let attributes = request.attributes(9);
        for (name, value) in [
            ("http.request.method", "POST"),
            ("http.route", PATH),
            ("http.response.status_code", "200"),
            ("client.address", "127.0.0.1"),
            ("ringest.code", "accepted"),
            ("ringest.request_id", "a-1"),
            ("ringest.records", "1"),
        ] {
            assert_eq!(
                attributes.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
        let mut from = request.number(7);
        for (stage, name) in stages
            .iter()
            .zip(["authenticate", "receive", "validate", "deliver"])
        {
            assert_eq!((stage.text(5).as_str(), stage.bytes(4)), (name, id.clone()));
            assert_eq!(stage.number(7), from, "{name}");
            from = stage.number(8);
        }
        assert!(from >= request.number(7) && from <= request.number(8));

        let (head, body) = collector.exports().remove(0);
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/x-protobuf\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nx-scope: team-a\r\n"), "{head}");
        let [resource] = &Message::of(&body).below(&[1, 1])[..] else {
            panic!("no resource");
        };
        let resource = resource.attributes(1);
        assert_eq!(resource["service.name"], "edge");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(resource["service.instance.id"].len(), 36);
        let text = String::from_utf8_lossy(&body);
        let record = String::from_utf8_lossy(RECORD);
        assert!(
            !text.contains("secret") && !text.contains(&*record),
            "{text}"
        );
        await_exported(&ringest, 1);
    }
}

/// At random where there is no parent; refused requests too, whose line in the log names the trace.
#[test]
fn requests_without_a_parent_are_sampled_at_a_ratio() {
    let collector = Collector::start(&[Some(503), Some(429)]);
    let (_mock, ringest) = start(&collector, |it| it.set("traces.sample_ratio", "1"));
    assert_eq!(post(&ringest, "", b"{"), 400);
    let line = eventually(PATIENCE, || {
        let log = ringest.log();
        let line = log.lines().find(|it| it.contains(" trace_id="))?;
        let id = line.split_once(" trace_id=\"")?.1.split('"').next()?;
        Some(id.to_owned())
    });
    // Three times the same message, which the collector could not accept twice.
    let spans = collector.trace(&line.expect("a line"), 3 * 3);
    let [request, ..] = &spans[..] else {
        panic!("no span");
    };
    assert_eq!(hex(&request.bytes(4)), "", "it has no parent");
    assert_eq!(request.attributes(9)["http.response.status_code"], "400");
    assert_eq!(collector.exports().len(), 3);
    await_exported(&ringest, 1);
    assert_eq!(
        ringest.count_of("ringest_traces_total", r#"result="failed""#),
        0
    );
}

/// A collector that never answers costs spans, nothing else.
#[test]
fn a_collector_that_hangs_holds_nothing_up() {
    const REQUESTS: usize = 4_000;
    let collector = Collector::start(&[None, None, None, None, None, None]);
    let (_mock, mut ringest) = start(&collector, |it| {
        it.set("traces.sample_ratio", "1")
            .set("traces.timeout_ms", "60000")
    });
    let mut http = ringest.connect();
    let request = crate::support::http::request(PATH, "application/json", b"[]");
    assert_eq!(post(&ringest, "", b"[]"), 200);
    await_that("it exports", || !collector.exports().is_empty());
    for _ in 0..REQUESTS / 16 {
        http.send(&request.repeat(16)).expect("ringest reads");
        for _ in 0..16 {
            assert_eq!(http.answer().expect("an answer").status, 200);
        }
    }
    assert!(ringest.count_of("ringest_traces_total", r#"result="dropped""#) > 1_000);
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), Some(0));
}
