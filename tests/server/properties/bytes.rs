//! Bytes out are bytes in, for any body in any delivery.

use std::thread;

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{TestError, TestRunner},
};
use ringest::http::Coding;
use serde_json::value::RawValue;

use super::{
    PREFIX, WITH_SCHEMA, json,
    topic::Topic,
    wire::{Framing, Pieces},
    without,
};
use crate::support::{
    compress::compress,
    event::{PATH, TOPIC},
    http::{Answer, Http},
    mock::Mock,
    ringest::{Builder, Ringest},
};

/// About ten seconds in a debug build; a failure is then made smaller for as long again.
const CASES: u32 = 150;
const SHRINK_ITERS_MAX: u32 = 150;

/// What one client does.
#[derive(Clone, Debug)]
struct Connection {
    requests: Vec<(Body, Framing, Option<Coding>)>,
    /// All requests are sent before the first answer is read.
    pipelined: bool,
    pieces: Pieces,
}

/// A body, and what is to be in the topic.
#[derive(Clone)]
struct Body {
    content_type: &'static str,
    text: String,
    records: Vec<String>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, text) = (self.content_type, excerpt(self.text.as_bytes()));
        write!(f, "{kind}, {} records: {text}", self.records.len())
    }
}

impl Body {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => Self::object(0..4_000),
            // A request like the last one is received at once.
            3 => Self::object(4_000..14_000),
            // Around what a connection's buffer has room for.
            2 => Self::object(15_000..17_500),
            1 => Self::object(30_000..200_000),
            4 => Self::array(),
            3 => Self::lines(),
        ]
    }

    fn object(fill: std::ops::Range<usize>) -> impl Strategy<Value = Self> {
        let parts = (json::space(), json::object(fill), json::space());
        parts.prop_map(|(before, object, after)| Self {
            content_type: "application/json",
            text: format!("{before}{object}{after}"),
            records: vec![object],
        })
    }

    fn array() -> impl Strategy<Value = Self> {
        let element = (json::space(), json::object(0..10_000), json::space());
        let elements = vec(element, 0..8);
        (json::space(), elements, json::space()).prop_map(|(before, elements, after)| {
            let texts = elements
                .iter()
                .map(|(a, object, b)| format!("{a}{object}{b}"));
            let text = format!("{before}[{}]{after}", texts.collect::<Vec<_>>().join(","));
            let spans: Vec<&RawValue> = serde_json::from_str(&text).expect("an array");
            let records = spans.iter().map(|span| span.get().to_owned()).collect();
            Self {
                content_type: "application/json",
                text,
                records,
            }
        })
    }

    fn lines() -> impl Strategy<Value = Self> {
        let line = (
            "[ \t]{0,2}",
            json::object(0..10_000),
            "[ \t]{0,2}(\r?\n){1,2}",
        );
        (vec(line, 1..8), any::<bool>()).prop_map(|(lines, ended)| {
            let mut text = String::new();
            let mut records = Vec::new();
            for (before, object, after) in lines {
                // Line feeds are whitespace between tokens: within strings they are escaped.
                let record = object.replace('\n', " ");
                text += &[&before, &record, &after].map(String::as_str).concat();
                records.push(record);
            }
            if !ended {
                text.truncate(text.trim_end().len());
            }
            Self {
                content_type: "application/x-ndjson",
                text,
                records,
            }
        })
    }
}

impl Connection {
    fn any() -> impl Strategy<Value = Self> {
        let coding = select(vec![Coding::Gzip, Coding::Deflate, Coding::Zstd]);
        let coding = prop::option::weighted(0.4, coding);
        let request = (Body::any(), Framing::any(), coding);
        (vec(request, 1..4), any::<bool>(), Pieces::any()).prop_map(
            |(requests, pipelined, pieces)| Self {
                requests,
                pipelined,
                pieces,
            },
        )
    }

    fn records(&self) -> impl Iterator<Item = Vec<u8>> {
        let bodies = self.requests.iter().map(|(body, ..)| body);
        bodies.flat_map(|body| {
            body.records
                .iter()
                .map(|record| record.clone().into_bytes())
        })
    }

    /// Sends it all, and checks the answers.
    fn run(&self, ringest: &Ringest) -> Result<(), TestCaseError> {
        let mut http = ringest.connect();
        let failed = |error| TestCaseError::fail(format!("cut: {error}"));
        let together = if self.pipelined {
            self.requests.len()
        } else {
            1
        };
        for requests in self.requests.chunks(together) {
            let bytes = requests.iter().flat_map(|(body, framing, coding)| {
                let text = body.text.as_bytes();
                let Some(coding) = *coding else {
                    return framing.request(PATH, body.content_type, text);
                };
                let name: &str = coding.into();
                let fields = format!("{}\r\nContent-Encoding: {name}", body.content_type);
                framing.request(PATH, &fields, &compress(coding, text))
            });
            let bytes: Vec<u8> = bytes.collect();
            self.pieces.send(&mut http, &bytes).map_err(failed)?;
            for (body, ..) in requests {
                accepts(&http.answer().map_err(failed)?, body)?;
            }
        }
        nothing_more(&mut http)
    }
}

fn accepts(answer: &Answer, body: &Body) -> Result<(), TestCaseError> {
    prop_assert_eq!(answer.status, 200, "{:?} to {:?}", answer, body);
    prop_assert_eq!(&answer.json()["accepted"], body.records.len());
    Ok(())
}

/// As many answers as requests: the connection ends with ours.
fn nothing_more(http: &mut Http) -> Result<(), TestCaseError> {
    http.half_close()
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(http.is_closed(), "more answers than requests");
    Ok(())
}

#[test]
fn bytes_out_are_bytes_in() {
    assert_bytes(|it| it.model("Event", "1.0", TOPIC), b"");
}

/// A record alone is not copied for its prefix: that is written into what is before it. On epoll.
#[test]
fn bytes_out_are_bytes_in_behind_their_prefix() {
    assert_bytes(
        |it| it.model_file(WITH_SCHEMA).set("listen.driver", "epoll"),
        PREFIX,
    );
}

fn assert_bytes(model: impl FnOnce(Builder) -> Builder, prefix: &[u8]) {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = model(Ringest::builder(&mock.brokers()))
        .set("listen.content_encodings", "gzip,deflate,zstd")
        .start();
    let topic = Topic::open(&mock.brokers(), TOPIC);

    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        max_shrink_iters: SHRINK_ITERS_MAX,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&vec(Connection::any(), 1..4), |connections| {
        topic.skip();
        thread::scope(|scope| {
            let clients = connections
                .iter()
                .map(|it| scope.spawn(|| it.run(&ringest)));
            let clients: Vec<_> = clients.collect();
            let mut ends = clients.into_iter().map(|it| it.join().expect("no panic"));
            ends.try_for_each(|end| end)
        })?;
        let read = topic.read();
        assert_same(
            read.iter().map(|it| without(prefix, it)).collect(),
            connections.iter().flat_map(Connection::records).collect(),
        )
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, connections)) => panic!("{reason}\nin {connections:#?}"),
        Err(error) => panic!("{error}"),
    }
}

/// The same records, in any order: connections may have different workers.
fn assert_same(mut read: Vec<Vec<u8>>, mut sent: Vec<Vec<u8>>) -> Result<(), TestCaseError> {
    read.sort_unstable();
    sent.sort_unstable();
    let differs = read.iter().zip(&sent).find(|(read, sent)| read != sent);
    if let Some((read, sent)) = differs {
        let (read, sent) = (excerpt(read), excerpt(sent));
        return Err(TestCaseError::fail(format!("read {read}\nsent {sent}")));
    }
    prop_assert_eq!(read.len(), sent.len(), "records");
    Ok(())
}

fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    let end = if bytes.len() > SHOWN { "…" } else { "" };
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    format!("{} bytes: {shown}{end}", bytes.len())
}
