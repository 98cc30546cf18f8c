//! Compressed bodies: what is produced is what was compressed, in any framing, and bombs and broken streams
//! cost little.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ringest::http::Coding;

use super::{
    PATH, RECORD, Rig, TOPIC, assert_accepted, assert_closes, assert_goes_on, assert_refused, head,
    post, record_of,
};
use crate::support::{
    compress::{compress, gzip, zlib, zstd, zstd_stream},
    http::{Answer, chunked},
    mock::Mock,
    records::{array, numbered},
    ringest::{Builder, Ringest},
};

const CODINGS: [(&str, Coding); 3] = [
    ("gzip", Coding::Gzip),
    ("deflate", Coding::Deflate),
    ("zstd", Coding::Zstd),
];

/// What one small request takes.
const SEGMENT: u64 = 2_048;

fn every_coding(builder: Builder) -> Builder {
    builder.set("listen.content_encodings", "gzip,deflate,zstd")
}

/// A POST of a body that is compressed already.
fn coded(coding: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let lines = format!(
        "Content-Type: {content_type}\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n",
        body.len()
    );
    [head(PATH, &lines), body.to_vec()].concat()
}

fn coded_chunks(coding: &str, body: &[u8], chunk: usize) -> Vec<u8> {
    let lines = format!("Content-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n");
    [head(PATH, &lines), chunked(body, chunk)].concat()
}

fn json(coding: &str, body: &[u8]) -> Vec<u8> {
    coded(coding, "application/json", body)
}

fn decoded_bytes(ringest: &Ringest) -> u64 {
    ringest.count("ringest_body_decoded_bytes_total")
}

/// Single records, arrays and lines, small and large, sized and in chunks, one by one and pipelined.
fn records_arrive(driver: &str) {
    let rig = Rig::start(|it| every_coding(it).set("listen.driver", driver));
    let mut expected: Vec<Vec<u8>> = Vec::new();
    let mut requests: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut decoded = 0;
    for (name, coding) in CODINGS {
        for size in [8, 3_000, 20_000, 100_000] {
            let record = record_of(size);
            let body = compress(coding, &record);
            let chunk = 1 + body.len() / 3;
            requests.push((json(name, &body), 1));
            requests.push((coded_chunks(name, &body, chunk), 1));
            expected.extend([record.clone(), record]);
            decoded += 2 * size as u64;
        }
        let records: Vec<Vec<u8>> = (0..300).map(numbered).collect();
        let lines = records.join(&b"\n"[..]);
        let body = array(records.clone());
        requests.push((json(name, &compress(coding, &body)), 300));
        let ndjson = compress(coding, &lines);
        requests.push((coded(name, "application/x-ndjson", &ndjson), 300));
        decoded += (body.len() + lines.len()) as u64;
        expected.extend([records.clone(), records].concat());
        // Not compressed, between those that are.
        requests.push((post(RECORD), 1));
        expected.push(RECORD.to_vec());
    }
    let mut http = rig.connect();
    for (request, records) in &requests {
        http.send(request).expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), *records);
    }
    assert_eq!(decoded_bytes(&rig.ringest), decoded);
    assert!(rig.topic() == expected, "{driver}");
    let all: Vec<u8> = requests.iter().flat_map(|(it, _)| it.clone()).collect();
    let mut second = http.try_clone().expect("a second handle");
    let writer = thread::spawn(move || second.send_in_parts(all.chunks(7_001)));
    for (_, records) in &requests {
        assert_accepted(&http.answer().expect("an answer"), *records);
    }
    writer.join().expect("no panic").expect("ringest reads");
    let topic = rig.topic();
    assert!(topic[expected.len()..] == expected, "{driver}, pipelined");
    drop(http);
    rig.settles();
}

#[test]
fn records_arrive_as_they_were_compressed() {
    records_arrive("auto");
}

#[test]
fn records_arrive_as_they_were_compressed_on_epoll() {
    records_arrive("epoll");
}

/// A byte a read, and with a schema's prefix.
#[test]
fn slow_bodies_and_prefixes() {
    let model =
        format!("name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\nschema_id = 7\n");
    let rig = Rig::start_with(|it| every_coding(it.model_file(&model)));
    for (name, coding) in CODINGS {
        let mut http = rig.connect();
        let request = json(name, &compress(coding, RECORD));
        for part in request.chunks(1) {
            http.send(part).expect("ringest reads");
            thread::sleep(Duration::from_micros(200));
        }
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    let record = [b"\0\0\0\0\x07", RECORD].concat();
    assert_eq!(rig.topic(), vec![record; 3]);
}

#[test]
fn names_of_codings() {
    let rig = Rig::start(every_coding);
    let body = compress(Coding::Gzip, RECORD);
    for name in ["gzip", "GZip", "x-gzip", "identity, gzip", " , gzip ,"] {
        assert_accepted(&rig.exchange(&json(name, &body)), 1);
    }
    let twice = compress(Coding::Gzip, &body);
    for name in ["gzip, gzip", "deflate, gzip", "br", "compress", "gzip;x"] {
        let mut http = rig.connect();
        http.send(&json(name, &twice)).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 415, "unsupported_content_encoding");
        assert_eq!(
            answer.header("accept-encoding"),
            Some("gzip, deflate, zstd")
        );
        assert_goes_on(&mut http, &answer);
    }
}

/// Those that are not enabled are refused before the body is read.
#[test]
fn what_is_enabled() {
    let body = compress(Coding::Zstd, RECORD);
    for (enabled, accepted) in [(None, "gzip, deflate"), (Some("[]"), "identity")] {
        let rig = Rig::start(|it| match enabled {
            None => it,
            Some(codings) => it.set("listen.content_encodings", codings),
        });
        let answer = rig.exchange(&json("zstd", &body));
        assert_refused(&answer, 415, "unsupported_content_encoding");
        assert_eq!(answer.header("accept-encoding"), Some(accepted));
        let gzipped = rig.exchange(&json("gzip", &compress(Coding::Gzip, RECORD)));
        assert_eq!(gzipped.status, if enabled.is_none() { 200 } else { 415 });
    }
}

fn detail(answer: &Answer) -> String {
    answer.text("detail")
}

/// Nothing of them is produced; where the end of the body is known, the connection goes on.
#[test]
fn broken_bodies() {
    let rig = Rig::start(every_coding);
    for (name, coding) in CODINGS {
        let whole = compress(coding, &array((0..2_000).map(numbered)));
        let mut changed = whole.clone();
        let end = changed.len() - if coding == Coding::Gzip { 8 } else { 1 };
        changed[end] ^= 1;
        let bodies = [
            (&b""[..], "incomplete"),
            (&whole[..whole.len() - 1], "incomplete"),
            (&whole[..whole.len() / 2], "incomplete"),
            (&[&whole, &b"{}"[..]].concat(), "bytes follow its end"),
            (&changed, "checksum does not match"),
            (RECORD, "not in that format"),
        ];
        for (body, cause) in bodies {
            let mut http = rig.connect();
            http.send(&json(name, body)).expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_refused(&answer, 400, "invalid_content_encoding");
            assert!(detail(&answer).contains(cause), "{name}: {answer:?}");
            assert_goes_on(&mut http, &answer);

            let mut http = rig.connect();
            http.send(&coded_chunks(name, body, 1_000))
                .expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_refused(&answer, 400, "invalid_content_encoding");
            assert!(detail(&answer).contains(cause), "{name}: {answer:?}");
        }
    }
    assert_eq!(rig.topic(), Vec::<Vec<u8>>::new());
    rig.settles();
}

#[test]
fn large_windows() {
    let rig = Rig::start(every_coding);
    let record = record_of(200_000);
    assert_accepted(&rig.exchange(&json("zstd", &zstd_stream(&record, 23))), 1);
    let answer = rig.exchange(&json("zstd", &zstd_stream(&record, 27)));
    assert_refused(&answer, 400, "invalid_content_encoding");
    assert!(detail(&answer).contains("larger than 8 MiB"), "{answer:?}");
    rig.settles();
}

/// Around the bound of what a body may become, and of what may arrive.
#[test]
fn sizes() {
    const MAX: usize = 100_000;
    let rig = Rig::start(|it| every_coding(it).set("limits.body_bytes_max", &MAX.to_string()));
    for (name, coding) in CODINGS {
        for size in [MAX - 1, MAX] {
            let answer = rig.exchange(&json(name, &compress(coding, &record_of(size))));
            assert_accepted(&answer, 1);
        }
        let body = compress(coding, &record_of(MAX + 1));
        let mut http = rig.connect();
        http.send(&json(name, &body)).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 413, "body_too_large");
        assert_goes_on(&mut http, &answer);
        let answer = rig.exchange(&coded_chunks(name, &body, 50));
        assert_refused(&answer, 413, "body_too_large");
    }
    // More than may arrive is not read: what it would become does not matter.
    let stored = gzip(&record_of(MAX), 0);
    assert!(stored.len() > MAX);
    let answer = rig.exchange(&json("gzip", &stored));
    assert_refused(&answer, 413, "body_too_large");
    let announced = head(PATH, "Content-Encoding: gzip\r\nContent-Length: 100001\r\n");
    let mut http = rig.connect();
    http.send(&announced).expect("ringest reads");
    let answer = http.answer().expect("an answer before the body");
    assert_refused(&answer, 413, "body_too_large");
    drop(http);
    rig.settles();
}

/// The first MiB is free.
#[test]
fn ratios() {
    const MIB: usize = 1 << 20;
    let rig = Rig::start(every_coding);
    for (name, coding) in CODINGS {
        let spaces = |len: usize| compress(coding, &[vec![b' '; len - 2], b"{}".to_vec()].concat());
        assert_accepted(&rig.exchange(&json(name, &spaces(MIB))), 1);
        let answer = rig.exchange(&json(name, &spaces(2 * MIB)));
        assert_refused(&answer, 413, "compression_ratio_exceeded");
    }
    // What records of some variety become is far from it.
    let records: Vec<Vec<u8>> = (0..5_000).map(numbered).collect();
    let body = array(records);
    assert!(body.len() > MIB);
    assert_accepted(&rig.exchange(&json("zstd", &zstd(&body, 9))), 5_000);
    assert_accepted(&rig.exchange(&json("deflate", &zlib(&body, 9))), 5_000);
}

/// Small requests that are answered while bombs are decoded.
const SMALL: usize = 30;

/// Bodies that are a thousand times as large as they were, from several clients, which would be 30 MiB each.
fn bombs(driver: &str) {
    const BODY_BYTES_MAX: u64 = 10 << 20;
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = every_coding(Ringest::builder(&mock.brokers()))
        .set("workers", "1")
        .set("listen.driver", driver)
        .set("limits.compression_ratio_max", "1000000")
        .model("Event", "1.0", TOPIC)
        .start();
    assert_accepted(&ringest.connect().post(PATH, RECORD).expect("an answer"), 1);
    let content = vec![b' '; 30 << 20];
    let bombs: Vec<Vec<u8>> = CODINGS
        .iter()
        .map(|(name, coding)| json(name, &compress(*coding, &content)))
        .collect();
    drop(content);
    let before = ringest.resident_bytes();
    let (is_over, mut most) = (AtomicBool::new(false), 0);
    thread::scope(|scope| {
        let is_over = &is_over;
        let clients = bombs.iter().map(|bomb| {
            scope.spawn(|| {
                let mut count = 0;
                while count == 0 || !is_over.load(Ordering::Relaxed) {
                    let mut http = ringest.connect();
                    http.send(bomb).expect("ringest reads");
                    let answer = http.answer().expect("an answer");
                    assert_refused(&answer, 413, "body_too_large");
                    count += 1;
                }
            })
        });
        let _clients: Vec<_> = clients.collect();
        let mut small = ringest.connect();
        for _ in 0..SMALL {
            let answer = small.post(PATH, RECORD).expect("an answer");
            assert_accepted(&answer, 1);
            most = most.max(ringest.resident_bytes());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    // Each body with the smaller segment that it grew out of, its decoder, and as much for the allocator.
    let allowed = 2 * 3 * (2 * BODY_BYTES_MAX + Coding::Zstd.memory_bytes_max() as u64);
    assert!(
        most - before.min(most) < allowed,
        "{driver}: {before}, then {most}"
    );
    ringest.await_count("ringest_in_flight_bytes", 0);
}

#[test]
fn compression_bombs() {
    bombs("auto");
}

#[test]
fn compression_bombs_on_epoll() {
    bombs("epoll");
}

/// What is held while a body arrives is in flight: what it has become so far, and its decoder.
#[test]
fn memory_in_flight() {
    let rig = Rig::start(every_coding);
    rig.accepts();
    let record = record_of(200_000);
    for (body, name, decoder) in [
        (gzip(&record, 0), "gzip", 48 << 10..=48 << 10),
        (
            zstd_stream(&array((0..3_000).map(numbered)), 23),
            "zstd",
            8 << 20..=9 << 20,
        ),
    ] {
        let mut http = rig.connect();
        let request = json(name, &body);
        let half = request.len() / 2;
        http.send(&request[..half]).expect("ringest reads");
        super::await_that("nothing is in flight", || {
            let held = rig.ringest.count("ringest_in_flight_bytes");
            (*decoder.start()..*decoder.end() + (2 << 20)).contains(&held) && held > 48 << 10
        });
        http.send(&request[half..]).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 200);
    }
    // A client that goes gives it back.
    let mut http = rig.connect();
    let request = json("gzip", &gzip(RECORD, 6));
    http.send(&request[..request.len() - 1])
        .expect("ringest reads");
    rig.ringest
        .await_count("ringest_in_flight_bytes", (48 << 10) + SEGMENT);
    drop(http);
    rig.settles();
}

#[test]
fn a_body_that_waits_to_be_asked_for() {
    let rig = Rig::start(every_coding);
    let mut http = rig.connect();
    for (name, coding) in CODINGS {
        let body = compress(coding, &record_of(50_000));
        let lines = format!(
            "Expect: 100-continue\r\nContent-Encoding: {name}\r\nContent-Length: {}\r\n",
            body.len()
        );
        http.send(&head(PATH, &lines)).expect("ringest reads");
        assert_eq!(http.answer().expect("an interim answer").status, 100);
        http.send(&body).expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    // Broken, and it came along.
    let body = b"{}";
    let lines = "Expect: 100-continue\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n";
    let request = [head(PATH, lines), body.to_vec()].concat();
    http.send(&request).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 400, "invalid_content_encoding");
    assert_closes(&mut http, &answer);
}

/// A body of which nothing more comes is ended by its deadline, as any other.
#[test]
fn a_body_that_stops() {
    let rig = Rig::start(|it| it.set("timeouts.body_timeout_ms", "300"));
    let request = json("gzip", &gzip(&record_of(50_000), 6));
    let mut http = rig.connect();
    http.send(&request[..request.len() - 3])
        .expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 408, "body_timeout");
    drop(http);
    rig.settles();
}
