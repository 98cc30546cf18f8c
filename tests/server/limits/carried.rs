//! What a record takes along: headers from its request, its time, the prefix of its schema.

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers as _, OwnedMessage},
};

use super::{
    PATH, PATIENCE, Rig, TOPIC, assert_accepted, assert_goes_on, assert_refused, post, record_of,
};
use crate::support::http::{chunked_request, request};

const PREFIX: &[u8] = b"\0\0\x01\x02\x03";

fn rig(model: &str) -> Rig {
    let model = format!("name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n{model}\n");
    Rig::start_with(|it| it.model_file(&model))
}

/// The first `count` records of the topic.
pub(super) fn messages(rig: &Rig, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = rig.mock.cluster().client();
    let mut partition = TopicPartitionList::new();
    partition
        .add_partition_offset(TOPIC, 0, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&partition).expect("the partition is there");
    let message = |_| {
        let message = consumer.poll(PATIENCE).expect("a record");
        message.expect("no error").detach()
    };
    (0..count).map(message).collect()
}

pub(super) fn headers(message: &OwnedMessage) -> Vec<(&str, &[u8])> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    let pairs = headers.iter();
    pairs
        .map(|it| (it.key, it.value.unwrap_or_default()))
        .collect()
}

/// Those that ringest makes, and one that the client has sent.
#[test]
fn a_header_has_the_identifier_that_the_answer_has() {
    let rig = rig("[kafka_headers]\nid = { request = \"id\" }");
    let mut ids = Vec::new();
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    for lines in ["", "", "X-Request-Id: a-1\r\n", trace] {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: ringest\r\n{lines}Content-Length: 2\r\n\r\n{{}}"
        );
        let answer = rig.exchange(head.as_bytes());
        assert_accepted(&answer, 1);
        ids.push(
            answer
                .header("x-request-id")
                .expect("each has one")
                .to_owned(),
        );
    }
    for (message, id) in messages(&rig, ids.len()).iter().zip(&ids) {
        assert_eq!(headers(message), [("id", id.as_bytes())]);
    }
    let is_made = |id: &String| id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit());
    assert!(
        is_made(&ids[0]) && is_made(&ids[1]) && ids[0] != ids[1],
        "{ids:?}"
    );
    assert_eq!(ids[2..], ["a-1", "4bf92f3577b34da6a3ce929d0e0e4736"]);
}

#[test]
fn headers_are_taken_from_the_request() {
    let rig = rig(
        "[kafka_headers]\nsource = \"web\"\ntrace = { header = \"Traceparent\" }\n\
         who = { principal = true }\nid = { header = \"x-request-id\" }",
    );
    let long = "i".repeat(1_025);
    let send = |lines: &str, body: &str| {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: ringest\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = rig.exchange(&[head.as_bytes(), body.as_bytes()].concat());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    send(
        "TRACEPARENT: \t00-ab-01 \r\ntraceparent: second\r\n",
        "[{},{}]",
    );
    send(&format!("X-Request-Id: {}\r\n", &long[1..]), "{}");
    send(&format!("X-Request-Id: {long}\r\nTraceparent:\r\n"), "{}");
    // A body of its own segment, and one that makes room where the head was.
    let large = String::from_utf8(record_of(20_000)).expect("ASCII");
    send("traceparent: large\r\n", &large);
    let whole = String::from_utf8(record_of(16_384)).expect("ASCII");
    send("traceparent: whole\r\n", &whole);

    let messages = messages(&rig, 6);
    let source = ("source", &b"web"[..]);
    let expected: [&[(&str, &[u8])]; 6] = [
        &[source, ("trace", b"00-ab-01")],
        &[source, ("trace", b"00-ab-01")],
        &[source, ("id", &long.as_bytes()[1..])],
        &[source, ("trace", b"")],
        &[source, ("trace", b"large")],
        &[source, ("trace", b"whole")],
    ];
    for (message, expected) in messages.iter().zip(expected) {
        assert_eq!(headers(message), expected);
    }
}

#[test]
fn keys_and_times_are_the_records_own() {
    let rig = rig(
        "partition_key = \"who.id\"\ntimestamp_field = \"at\"\n[fields]\nwho = \"Tuple(id String)\"\n\
         at = \"DateTime64(3)\"",
    );
    let body = br#"[{"who":{"id":"caf\u00e9"},"at":"2001-09-09T01:46:40.123Z"}]"#;
    assert_accepted(&rig.post(body), 1);
    let message = &messages(&rig, 1)[0];
    assert_eq!(message.key(), Some("caf\u{e9}".as_bytes()));
    assert_eq!(message.timestamp().to_millis(), Some(1_000_000_000_123));
    assert_eq!(message.payload(), Some(&body[1..body.len() - 1]));
}

/// Bodies of every length around what a connection's buffer has room for, with a prefix before each.
#[test]
fn prefixes_need_room() {
    let rig = rig("schema_id = 66051");
    let mut http = rig.connect();
    let mut expected = Vec::new();
    for bytes in (16_370..16_395).chain([8, 100, 65_531, 65_532, 200_000]) {
        let record = record_of(bytes);
        for request in [post(&record), chunked_request(PATH, &record, 5_000)] {
            http.send(&request).expect("ringest reads");
            assert_accepted(&http.answer().expect("an answer"), 1);
            expected.push([PREFIX, &record[..]].concat());
        }
    }
    // White space around it, and several: with and without a copy.
    for (body, records) in [
        (&b" \r\n [ {} ] "[..], 1),
        (b"\n\n{}\n", 1),
        (b"[{},{ }]", 2),
    ] {
        http.send(&request(PATH, "application/json", body))
            .expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), records);
    }
    let few = [&b"{}"[..], b"{}", b"{}", b"{ }"].map(|it| [PREFIX, it].concat());
    expected.extend(few);
    assert!(rig.topic() == expected, "bytes out are not bytes in");
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
}

#[test]
fn pipelined_requests_keep_to_their_own_bytes() {
    let rig = rig("schema_id = 66051");
    let mut http = rig.connect();
    let records: Vec<Vec<u8>> = (0..200).map(|n| record_of(8 + n)).collect();
    let requests: Vec<u8> = records.iter().flat_map(|it| post(it)).collect();
    http.send(&requests).expect("ringest reads");
    for _ in &records {
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    let expected: Vec<Vec<u8>> = records.iter().map(|it| [PREFIX, it].concat()).collect();
    assert!(rig.topic() == expected, "bytes out are not bytes in");
}

/// The copies need memory of their own, which others may have.
#[test]
fn copies_for_prefixes_hold_the_budget() {
    let model =
        format!("name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\nschema_id = 66051\n");
    let rig = Rig::start_with(|it| {
        it.model_file(&model)
            .set("limits.body_bytes_max", "16000")
            // Two segments for the largest body and copies of its records: 16 and 64 KiB.
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", "81920")
    });
    let mut held: Vec<_> = (0..4).map(|_| rig.connect()).collect();
    for (http, count) in held.iter_mut().zip(1..) {
        http.send(&super::head(PATH, "Content-Length: 100\r\n"))
            .expect("ringest reads");
        rig.ringest
            .await_count("ringest_in_flight_bytes", count * 2_048);
    }
    let mut http = rig.connect();
    let many = format!("[{}]", vec!["{}"; 5_000].join(","));
    let answer = http.post(PATH, many.as_bytes()).expect("an answer");
    assert_refused(&answer, 503, "in_flight_full");
    // A record alone needs no more than its body.
    let answer = http.post(PATH, b"[{}]").expect("an answer");
    assert_accepted(&answer, 1);
    assert_goes_on(&mut http, &answer);
    drop(held);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
    let most = format!("[{}]", vec!["{}"; 5_333].join(","));
    assert_eq!(most.len(), 16_000);
    assert_accepted(&rig.post(most.as_bytes()), 5_333);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
}
