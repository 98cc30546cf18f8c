//! The fields that decide: connection, content, credential, expectation, length.

use ringest::http::{
    Authorization, Coding, ContentCoding, Framing, HeadError, MediaType, field_value, origin,
};

use super::{head, parse, post, request};

#[test]
fn the_connection_goes_on_only_where_both_sides_want_it() {
    let keeps = |version: &str, fields: &[&str]| {
        let line = format!("GET / {version}");
        head(&request(&[&[line.as_str(), "Host: h"], fields].concat())).keep_alive
    };
    assert!(keeps("HTTP/1.1", &[]));
    assert!(keeps(
        "HTTP/1.1",
        &["Connection: Keep-Alive", "Connection: upgrade"]
    ));
    assert!(!keeps(
        "HTTP/1.1",
        &["Connection: keep-alive", "Connection: x ,, CLOSE"]
    ));
    assert!(keeps("HTTP/1.1", &["Connection: closed"]));
    assert!(!keeps("HTTP/1.0", &[]));
    assert!(keeps("HTTP/1.0", &["Connection: x, Keep-alive"]));
    assert!(!keeps("HTTP/1.0", &["Connection: keep-alive, close"]));
}

#[test]
fn the_content_type_chooses_the_format() {
    for (value, expected) in [
        ("", MediaType::Json),
        ("application/json", MediaType::Json),
        ("application/json;", MediaType::Json),
        ("application/json ; charset=\"utf-8\"", MediaType::Json),
        ("application/json;CharSet=US-ASCII", MediaType::Json),
        (
            "application/json; p=\"a;charset=latin1\\\";charset=x\"; q=1",
            MediaType::Json,
        ),
        ("application/vnd.api+JSON", MediaType::Json),
        ("text/plain", MediaType::Json),
        ("application/octet-stream", MediaType::Json),
        ("application/x-www-form-urlencoded", MediaType::Json),
        ("Application/X-NDJSON", MediaType::Ndjson),
        ("application/jsonl; charset=utf-8", MediaType::Ndjson),
        ("application/x-jsonlines", MediaType::Ndjson),
        ("application/ndjson", MediaType::Ndjson),
        ("application/json; charset=utf-16", MediaType::Unsupported),
        (
            "application/json; charset=\"iso-8859-1\"",
            MediaType::Unsupported,
        ),
        (
            "application/x-ndjson; a=b; charset=latin1",
            MediaType::Unsupported,
        ),
        ("application/jsonp", MediaType::Unsupported),
        ("+json", MediaType::Unsupported),
        ("text/csv", MediaType::Unsupported),
        ("text/xml", MediaType::Unsupported),
        ("avro/binary", MediaType::Unsupported),
        ("application/x-protobuf", MediaType::Unsupported),
        ("multipart/form-data; boundary=x", MediaType::Unsupported),
    ] {
        assert_eq!(
            head(&post(&[&format!("Content-Type: {value}")])).content_type,
            expected,
            "{value}"
        );
    }
    let twice = post(&["Content-Type: text/plain", "content-type: text/plain"]);
    assert_eq!(parse(&twice), Err(HeadError::ContentTypeRepeated));
}

#[test]
fn one_known_coding_is_supported() {
    let coded = ContentCoding::Coded;
    for (value, expected) in [
        ("identity", ContentCoding::Identity),
        ("Identity,", ContentCoding::Identity),
        ("", ContentCoding::Identity),
        ("gzip", coded(Coding::Gzip)),
        ("X-GZip", coded(Coding::Gzip)),
        (" ,Deflate,, ", coded(Coding::Deflate)),
        ("identity, zstd", coded(Coding::Zstd)),
        ("zstd, identity", coded(Coding::Zstd)),
        ("identity, br", ContentCoding::Unsupported),
        ("gzip, gzip", ContentCoding::Unsupported),
        ("deflate, gzip", ContentCoding::Unsupported),
        ("gzip, x", ContentCoding::Unsupported),
        ("gzip;q=1", ContentCoding::Unsupported),
        ("zstandard", ContentCoding::Unsupported),
        ("*", ContentCoding::Unsupported),
    ] {
        assert_eq!(
            head(&post(&[&format!("Content-Encoding: {value}")])).content_encoding,
            expected,
            "{value}"
        );
    }
    let coding = |lines: &[&str]| head(&post(lines)).content_encoding;
    let gzip = "Content-Encoding: gzip";
    assert_eq!(coding(&[gzip, gzip]), ContentCoding::Unsupported);
    let identity = "content-encoding: identity";
    assert_eq!(coding(&[identity, gzip]), coded(Coding::Gzip));
}

#[test]
fn a_second_credential_is_seen() {
    let twice = post(&["Authorization: a", "authorization: a", "AUTHORIZATION: b"]);
    assert_eq!(head(&twice).authorization, Authorization::Repeated);
    assert_eq!(head(&post(&[])).authorization, Authorization::Absent);
}

/// An expectation is milder than a fault of framing, so it must not hide one.
#[test]
fn an_unknown_expectation_never_hides_a_fault_of_framing() {
    assert_eq!(
        parse(&post(&["Expect: tea"])),
        Err(HeadError::UnsupportedExpectation)
    );
    let both = post(&[
        "Expect: tea",
        "Content-Length: 1",
        "Transfer-Encoding: chunked",
    ]);
    assert_eq!(parse(&both), Err(HeadError::LengthAndEncoding));
    let old = head(&request(&["POST / HTTP/1.0", "Expect: tea, 100-continue"]));
    assert!(!old.expect_continue);
}

#[test]
fn the_length_is_64_bits() {
    let length = |value: &str| parse(&post(&[&format!("Content-Length: {value}")]));
    let max = u64::MAX.to_string();
    assert_eq!(
        head(&post(&[&format!("Content-Length: {max}")])).framing,
        Framing::Length(u64::MAX)
    );
    for value in [
        "18446744073709551616",
        "",
        "+1",
        "-1",
        "0x1",
        "1_0",
        "1 0",
        "1,1",
        "1.0",
        "a",
    ] {
        assert_eq!(length(value), Err(HeadError::ContentLength), "{value}");
    }
}

#[test]
fn any_field_is_found_by_its_name() {
    let whole = request(&[
        "POST /ingest/a:b HTTP/1.1",
        "Host: h",
        "X-Request-Id: \t one two\t ",
        "x-request-id: three",
        "Empty:",
        "Odd: a:b:\u{e9}",
    ]);
    for bytes in [whole.clone(), [b"\r\n", &whole[..]].concat()] {
        // What is looked at is a head that was read.
        assert_eq!(head(&bytes).len, bytes.len());
        for (name, value) in [
            ("host", Some("h")),
            ("x-request-id", Some("one two")),
            ("empty", Some("")),
            ("odd", Some("a:b:\u{e9}")),
            ("post /ingest/a", None),
            ("x-request", None),
            ("x-request-id2", None),
            ("", None),
        ] {
            let found = field_value(&bytes, name);
            assert_eq!(found, value.map(str::as_bytes), "{name:?}");
        }
    }
}

/// The answer to a malformed request carries the fields for its page, too.
#[test]
fn the_origin_is_found_in_what_has_arrived_of_a_head() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\n";
    let page = Some(&b"https://a.example"[..]);
    for (rest, expected) in [
        ("Origin: https://a.example\r\n\r\n", page),
        ("ORIGIN:https://a.example \t\r\n", page),
        ("b\0d\r\norigin: https://a.example\r\n", page),
        (" folded\norigin: https://a.example\n", page),
        ("Origin: https://a.example", None),
        ("Origin : https://a.example\r\n", None),
        ("X-Origin: https://a.example\r\n\r\n", None),
        ("\r\nOrigin: https://a.example\r\n", None),
        (
            "Origin: https://a.example\r\nOrigin: https://a.example\r\n",
            None,
        ),
        ("", None),
    ] {
        let head = format!("{start}{rest}");
        assert_eq!(origin(head.as_bytes()), expected, "{head:?}");
        let late = format!("\r\n\r\n{head}");
        assert_eq!(origin(late.as_bytes()), expected, "{late:?}");
    }
}
