//! What must always hold of HTTP/1.1 framing, tried on the library: the answer does not depend on
//! how the bytes are split, what was encoded is decoded, and each limit is exact.

#[path = "http/corpus.rs"]
mod corpus;
#[path = "http/foreign.rs"]
mod foreign;

use proptest::{collection::vec, prelude::*, sample::select};
use ringest::http::{
    Authorization, BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep, ContentCoding, Framing,
    HEADERS_MAX, HeadError, HeadLimits, HeadParser, MediaType, Method, REQUEST_LINE_BYTES_MAX,
    RequestHead, Version,
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 16_384,
    headers_max: 100,
};

type Answer = Result<Option<RequestHead>, HeadError>;

fn parse(bytes: &[u8]) -> Answer {
    HeadParser::new(LIMITS).parse(bytes)
}

fn head(bytes: &[u8]) -> RequestHead {
    parse(bytes).expect("well-formed").expect("complete")
}

/// Shows the parser ever longer prefixes until it decides.
fn parse_split(limits: HeadLimits, bytes: &[u8], ends: impl IntoIterator<Item = usize>) -> Answer {
    let mut parser = HeadParser::new(limits);
    for end in ends.into_iter().chain([bytes.len()]) {
        match parser.parse(&bytes[..end]) {
            Ok(None) => {}
            decided => return decided,
        }
    }
    Ok(None)
}

/// A request with the head's lines joined by CRLF; `lines` may be empty.
fn request(lines: &[&str]) -> Vec<u8> {
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

/// A POST with `Host` and these further lines.
fn post(lines: &[&str]) -> Vec<u8> {
    request(
        &[
            &["POST /ingest/Event HTTP/1.1", "Host: gateway.test"],
            lines,
        ]
        .concat(),
    )
}

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: Vec<u8>,
    consumed: usize,
    end: Result<bool, BodyError>,
}

/// Feeds the pieces between `ends`; what a call leaves unconsumed is offered again with the next.
fn decode(limits: ChunkedLimits, bytes: &[u8], ends: impl IntoIterator<Item = usize>) -> Decoded {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut read = Decoded {
        data: Vec::new(),
        consumed: 0,
        end: Ok(false),
    };
    for end in ends.into_iter().chain([bytes.len()]) {
        loop {
            let input = &bytes[read.consumed..end];
            match decoder.decode(input) {
                Ok((consumed, step)) => {
                    read.consumed += consumed;
                    match step {
                        ChunkedStep::Data(range) => {
                            assert!(!range.is_empty() && range.end == consumed);
                            read.data.extend_from_slice(&input[range]);
                        }
                        ChunkedStep::NeedMore => {
                            assert_eq!(consumed, input.len(), "all of the input must be consumed");
                            break;
                        }
                        ChunkedStep::Done => {
                            return Decoded {
                                end: Ok(true),
                                ..read
                            };
                        }
                    }
                }
                // Where the decoder stopped depends on the piece; what it says must not.
                Err(error) => {
                    return Decoded {
                        end: Err(error),
                        consumed: 0,
                        ..read
                    };
                }
            }
        }
    }
    read
}

fn decode_whole(bytes: &[u8]) -> Decoded {
    decode(ChunkedLimits::new(1_000_000), bytes, [])
}

fn sorted(mut cuts: Vec<prop::sample::Index>, len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(len + 1)).collect();
    ends.sort_unstable();
    ends
}

/// Lines that heads are made of: good, bad and ugly ones.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "Host: a",
        "Host: a:80",
        "Host: a@b",
        "Content-Length: 5",
        "content-length: +5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked ",
        "Connection: close",
        "Connection: keep-alive, Close",
        "Expect: 100-continue",
        "Expect: tea",
        "Content-Type: application/json",
        "Content-Type: text/csv",
        "Authorization: Bearer x",
        "X: y",
        "X : y",
        " folded",
        ": v",
        "X",
        "",
        "Content-Encoding: gzip",
        "A: \u{e9}",
        "B:\0",
        "C: \r",
        "D: a\rb",
    ]);
    prop_oneof![
        4 => known.prop_map(|line| line.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let first = select(vec![
        "POST /a HTTP/1.1",
        "GET /a?b HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "GET * HTTP/1.1",
        "POST http://h:1/p HTTP/1.1",
        "CONNECT h:1 HTTP/1.1",
        "GET /a HTTP/2.0",
        "GET /a",
        "GET  /a HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "get /a http/1.1",
        "\r\nGET / HTTP/1.1",
        "\r\n\r\nGET / HTTP/1.1",
        "\nGET / HTTP/1.1",
    ]);
    let end =
        || prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\r\n")];
    let lines = vec((any_line(), end()), 0..8);
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    (first, end(), lines, end(), flips).prop_map(|(first, end, lines, last, flips)| {
        let mut bytes = [first.as_bytes(), end.as_bytes()].concat();
        for (line, end) in lines {
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(end.as_bytes());
        }
        bytes.extend_from_slice(last.as_bytes());
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

/// Data in chunks, with extensions and trailers as RFC 9112 section 7.1 allows them.
fn chunked_body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let extension = select(vec![
        "",
        ";a",
        ";a=b",
        " ; a = b",
        ";a=\"q;\\\"x\"",
        ";a;b=c\t; d",
        ";x=\"\"",
    ]);
    let size = select(vec!["", "0", "00"]);
    let chunk = (
        vec(any::<u8>(), 1..40),
        size.clone(),
        extension.clone(),
        any::<bool>(),
    );
    let trailer = select(vec!["X: y\r\n", "Y:\r\n", "Digest: \u{fc}\t;\r\n"]);
    (vec(chunk, 0..6), size, extension, vec(trailer, 0..3)).prop_map(
        |(chunks, zeros, last, trailers)| {
            let (mut data, mut coded) = (Vec::new(), Vec::new());
            for (bytes, zeros, extension, upper) in chunks {
                let len = bytes.len();
                let size = if upper {
                    format!("{len:X}")
                } else {
                    format!("{len:x}")
                };
                coded.extend_from_slice(format!("{zeros}{size}{extension}\r\n").as_bytes());
                coded.extend_from_slice(&bytes);
                coded.extend_from_slice(b"\r\n");
                data.extend_from_slice(&bytes);
            }
            coded.extend_from_slice(format!("{zeros}0{last}\r\n").as_bytes());
            coded.extend_from_slice(trailers.concat().as_bytes());
            coded.extend_from_slice(b"\r\n");
            (data, coded)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_head_reads_the_same_however_it_is_split(
        bytes in any_request(),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        head_bytes_max in 20usize..200,
        headers_max in 0usize..6,
    ) {
        for limits in [LIMITS, HeadLimits { head_bytes_max, headers_max }] {
            let whole = parse_split(limits, &bytes, []);
            prop_assert_eq!(whole, parse_split(limits, &bytes, 0..bytes.len()));
            prop_assert_eq!(whole, parse_split(limits, &bytes, sorted(cuts.clone(), bytes.len())));
            if whole != Ok(None) {
                let longer = [&bytes[..], b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"].concat();
                prop_assert_eq!(whole, parse_split(limits, &longer, []));
            }
            if let Ok(Some(head)) = whole {
                prop_assert!(head.len <= limits.head_bytes_max);
                prop_assert_eq!(whole, parse_split(limits, &bytes[..head.len], []));
                prop_assert_eq!(Ok(None), parse_split(limits, &bytes[..head.len - 1], []));
            }
        }
    }

    #[test]
    fn a_head_without_bare_line_ends_agrees_with_httparse(bytes in any_request()) {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut other = httparse::Request::new(&mut headers);
        let theirs = other.parse(&bytes);
        if let Ok(Some(head)) = parse(&bytes) {
            prop_assert_eq!(theirs, Ok(httparse::Status::Complete(head.len)));
        }
    }

    #[test]
    fn a_chunked_body_decodes_to_its_data((data, coded) in chunked_body(), behind in vec(any::<u8>(), 0..4)) {
        let bytes = [&coded[..], &behind].concat();
        let decoded = decode_whole(&bytes);
        prop_assert_eq!(decoded, Decoded { data, consumed: coded.len(), end: Ok(true) });
    }

    #[test]
    fn a_chunked_body_reads_the_same_however_it_is_split(
        (_, mut coded) in chunked_body(),
        flips in vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), select(b"\r\n;:= \t\"0f".to_vec())]), 0..3),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        max in 0usize..60,
    ) {
        for (place, byte) in flips {
            let place = place.index(coded.len());
            coded[place] = byte;
        }
        let tight = ChunkedLimits {
            body_bytes_max: max,
            line_extension_bytes_max: max / 4,
            extension_bytes_max: max / 2,
            trailers_max: max / 20,
            trailer_bytes_max: max / 2,
        };
        for limits in [ChunkedLimits::new(1_000_000), tight] {
            let whole = decode(limits, &coded, []);
            prop_assert_eq!(&whole, &decode(limits, &coded, 0..coded.len()));
            prop_assert_eq!(&whole, &decode(limits, &coded, sorted(cuts.clone(), coded.len())));
            prop_assert!(whole.data.len() <= limits.body_bytes_max);
        }
    }

    #[test]
    fn any_bytes_are_answered_the_same_however_they_are_split(bytes in vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(parse(&bytes), parse_split(LIMITS, &bytes, 0..bytes.len()));
        let limits = ChunkedLimits::new(100);
        prop_assert_eq!(decode(limits, &bytes, []), decode(limits, &bytes, 0..bytes.len()));
    }
}

#[test]
fn a_usual_head_is_read_in_full() {
    let bytes = post(&[
        "User-Agent: curl/8.5.0",
        "Accept: */*",
        "Authorization:  Bearer abc ",
        "CONTENT-TYPE: Application/JSON; charset=UTF-8",
        "Expect: 100-Continue",
        "content-length: 007",
    ]);
    let head = head(&[&bytes[..], b"{\"a\":1}"].concat());
    assert_eq!(head.len, bytes.len());
    assert_eq!((head.method, head.version), (Method::Post, Version::Http11));
    assert_eq!(head.path.of(&bytes), b"/ingest/Event");
    assert_eq!(head.framing, Framing::Length(7));
    assert!(head.keep_alive && head.expect_continue);
    assert_eq!(head.content_type, MediaType::Json);
    assert_eq!(head.content_encoding, ContentCoding::Identity);
    let Authorization::Value(value) = head.authorization else {
        panic!("{:?}", head.authorization);
    };
    assert_eq!(value.of(&bytes), b"Bearer abc");
}

#[test]
fn a_parser_serves_one_request_after_another() {
    let first = post(&["Content-Length: 3"]);
    let second = request(&["", "GET /b HTTP/1.0"]);
    let mut parser = HeadParser::new(LIMITS);
    let stream = [&first[..], b"abc", &second].concat();
    let len = parser
        .parse(&stream)
        .expect("well-formed")
        .expect("complete")
        .len;
    assert_eq!(len, first.len());
    parser.reset();
    let rest = &stream[len + 3..];
    let head = parser.parse(rest).expect("well-formed").expect("complete");
    assert_eq!((head.len, head.path.of(rest)), (second.len(), &b"/b"[..]));
}

/// Every byte at every offset that a vector instruction might treat differently.
#[test]
fn each_byte_is_allowed_where_the_grammar_allows_it() {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for byte in 0..=u8::MAX {
        for at in [0, 1, 7, 8, 15, 16, 31, 32, 33] {
            let with = |prefix: &str, suffix: &str| {
                let mut word = vec![b'g'; 40];
                word[at] = byte;
                parse(&[prefix.as_bytes(), &word, suffix.as_bytes()].concat())
                    .is_ok_and(|head| head.is_some())
            };
            let rest = "/ HTTP/1.1\r\nHost: h\r\n\r\n";
            let method = with("", &format!(" {rest}"));
            assert_eq!(method, is_token(byte), "method, byte {byte:#x} at {at}");
            let name = with("GET / HTTP/1.1\r\nHost: h\r\n", ": v\r\n\r\n");
            assert_eq!(
                name,
                is_token(byte) || (byte == b':' && at > 0),
                "name, byte {byte:#x} at {at}"
            );
            let value = with("GET / HTTP/1.1\r\nHost: h\r\nX:", "\r\n\r\n");
            let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            assert_eq!(value, text, "value, byte {byte:#x} at {at}");
            let target = with("GET /", " HTTP/1.1\r\nHost: h\r\n\r\n");
            let visible = byte.is_ascii_graphic() && byte != b'#' && byte != b'%';
            assert_eq!(target, visible, "target, byte {byte:#x} at {at}");
            let host = with("GET / HTTP/1.1\r\nHost: a", "\r\n\r\n");
            let named = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte);
            assert_eq!(host, named, "host, byte {byte:#x} at {at}");
        }
    }
}

#[test]
fn the_head_may_fill_its_limit_and_not_exceed_it() {
    let bytes = post(&["X: y"]);
    for (head_bytes_max, expected) in [
        (bytes.len(), Ok(bytes.len())),
        (bytes.len() - 1, Err(HeadError::HeadTooLarge)),
        (bytes.len() - 4, Err(HeadError::HeadTooLarge)),
    ] {
        let limits = HeadLimits {
            head_bytes_max,
            headers_max: 10,
        };
        for ends in [0..0, 0..bytes.len()] {
            let answer = parse_split(limits, &bytes, ends);
            assert_eq!(answer.map(|head| head.map_or(0, |head| head.len)), expected);
        }
    }
}

#[test]
fn the_request_line_may_fill_its_limit_and_not_exceed_it() {
    let frame = "GET / HTTP/1.1\r\n".len();
    for (limits, line_max) in [
        (LIMITS, REQUEST_LINE_BYTES_MAX),
        (
            HeadLimits {
                head_bytes_max: 64,
                ..LIMITS
            },
            64,
        ),
    ] {
        for prefix in ["", "\r\n"] {
            let line =
                |len: usize| format!("{prefix}GET /{} HTTP/1.1\r\n", "a".repeat(len - frame));
            let room = line_max.min(limits.head_bytes_max - prefix.len());
            let fits = parse_split(limits, line(room).as_bytes(), []);
            let expected = if line_max == limits.head_bytes_max {
                Err(HeadError::HeadTooLarge)
            } else {
                Ok(None)
            };
            assert_eq!(fits, expected, "{prefix:?}");
            let long = line(room + 1).into_bytes();
            for ends in [0..0, 0..long.len()] {
                assert_eq!(
                    parse_split(limits, &long, ends),
                    Err(HeadError::RequestLineTooLong)
                );
            }
        }
    }
}

#[test]
fn there_may_be_as_many_headers_as_the_limit_says() {
    for headers_max in [0, 1, 47, 48, 49, 100, HEADERS_MAX, HEADERS_MAX + 1] {
        let limits = HeadLimits {
            head_bytes_max: 100_000,
            headers_max,
        };
        let allowed = headers_max.min(HEADERS_MAX);
        for (count, fits) in [(allowed, true), (allowed + 1, false)] {
            let bytes = request(&[&["GET / HTTP/1.0"], vec!["X: y"; count].as_slice()].concat());
            for ends in [0..0, 0..bytes.len()] {
                let answer = parse_split(limits, &bytes, ends);
                match answer {
                    Ok(Some(_)) => assert!(fits, "{count} of {headers_max}"),
                    Err(HeadError::TooManyHeaders) => assert!(!fits, "{count} of {headers_max}"),
                    other => panic!("{other:?} for {count} of {headers_max}"),
                }
            }
        }
    }
}

/// What can't become a request is refused without waiting for the rest.
#[test]
fn a_tls_client_is_refused_at_its_first_byte() {
    assert_eq!(parse(b"\x16"), Err(HeadError::RequestLine));
    assert_eq!(parse(b"\r"), Ok(None));
    assert_eq!(parse(b"\rX"), Err(HeadError::LineEnd));
    assert_eq!(parse(b"\r\n"), Ok(None));
    assert_eq!(parse(b"\r\n\r"), Err(HeadError::EmptyLines));
    assert_eq!(parse(b"\r\n\n"), Err(HeadError::LineEnd));
}

#[test]
fn each_fault_of_the_request_line_has_its_name() {
    let fault = |line: &str| parse(&request(&[line, "Host: h"])).expect_err(line);
    for line in [
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "GET / HTTP/0.9",
        "PRI * HTTP/2.0",
    ] {
        assert_eq!(fault(line), HeadError::UnsupportedVersion, "{line}");
    }
    for line in [
        "GET",
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /\tHTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / XTTP/1.1",
        "GET / HTTP/1.1 x",
        "G(T / HTTP/1.1",
    ] {
        assert_eq!(fault(line), HeadError::RequestLine, "{line}");
    }
    for line in [
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET /%4 HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET h:80 HTTP/1.1",
        "CONNECT /a HTTP/1.1",
        "CONNECT h HTTP/1.1",
        "GET ftp://h/ HTTP/1.1",
        "GET http:/h/ HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://u@h/ HTTP/1.1",
        "GET http://h:x/ HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
    ] {
        assert_eq!(fault(line), HeadError::Target, "{line}");
    }
    assert_eq!(fault("GET /\r HTTP/1.1"), HeadError::LineEnd);
    assert_eq!(
        parse(&request(&["GET / HTTP/1.1", "Host: h", "\rX: y"])),
        Err(HeadError::LineEnd)
    );
}

#[test]
fn the_path_is_the_targets_and_nothing_else() {
    for (line, path) in [
        ("GET / HTTP/1.1", "/"),
        ("GET //a//b/ HTTP/1.1", "//a//b/"),
        ("GET /a?b=/c%zz HTTP/1.1", "/a"),
        ("GET /a%2Fb HTTP/1.1", "/a%2Fb"),
        ("GET http://h HTTP/1.1", "/"),
        ("GET HTTP://h:80?q HTTP/1.1", "/"),
        ("GET https://[::1]:80/a/b?c HTTP/1.1", "/a/b"),
        ("OPTIONS * HTTP/1.1", "*"),
        ("CONNECT h:443 HTTP/1.1", ""),
    ] {
        let bytes = request(&[line, "Host: other"]);
        assert_eq!(head(&bytes).path.of(&bytes), path.as_bytes(), "{line}");
    }
}

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
fn only_the_identity_coding_is_supported() {
    for (value, expected) in [
        ("identity", ContentCoding::Identity),
        ("Identity,", ContentCoding::Identity),
        ("", ContentCoding::Identity),
        ("gzip", ContentCoding::Unsupported),
        ("identity, br", ContentCoding::Unsupported),
    ] {
        assert_eq!(
            head(&post(&[&format!("Content-Encoding: {value}")])).content_encoding,
            expected,
            "{value}"
        );
    }
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
fn each_fault_of_the_chunked_coding_has_its_name() {
    let rest = "\r\nhello\r\n0\r\n\r\n";
    for (size, expected) in [
        ("", BodyError::ChunkSize),
        ("+5", BodyError::ChunkSize),
        ("-5", BodyError::ChunkSize),
        ("0x5", BodyError::ChunkSize),
        (" 5", BodyError::ChunkSize),
        ("5_", BodyError::ChunkSize),
        (";a=b", BodyError::ChunkSize),
        ("00000000000000005", BodyError::ChunkSizeTooLong),
        ("10000000000000005", BodyError::ChunkSizeTooLong),
        ("FFFFFFFFFFFFFFFF", BodyError::TooLarge),
        ("F4241", BodyError::TooLarge),
        ("5 ", BodyError::ChunkExtension),
        ("5;", BodyError::ChunkExtension),
        ("5;a=", BodyError::ChunkExtension),
        ("5;a b", BodyError::ChunkExtension),
        ("5;=b", BodyError::ChunkExtension),
        ("5;a=\"b", BodyError::ChunkExtension),
        ("5;a=\"b\"c", BodyError::ChunkExtension),
        ("5;a=\0", BodyError::ChunkExtension),
        ("5;a\rb", BodyError::LineEnd),
        ("5\r", BodyError::LineEnd),
        ("5\n", BodyError::LineEnd),
        ("5;a\n", BodyError::LineEnd),
        ("4", BodyError::ChunkDataEnd),
        ("6", BodyError::ChunkDataEnd),
    ] {
        assert_eq!(
            decode_whole(format!("{size}{rest}").as_bytes()).end,
            Err(expected),
            "{size:?}"
        );
    }
    for (trailer, expected) in [
        ("X y: z\r\n", BodyError::TrailerName),
        (": z\r\n", BodyError::TrailerName),
        ("X\r\n", BodyError::TrailerName),
        ("X : z\r\n", BodyError::TrailerName),
        (" X: z\r\n", BodyError::TrailerName),
        ("X: z\r\n y\r\n", BodyError::TrailerName),
        ("X: \0\r\n", BodyError::TrailerValue),
        ("X: y\n", BodyError::LineEnd),
        ("X: y\rz\r\n", BodyError::LineEnd),
        ("\rX: y\r\n", BodyError::LineEnd),
        ("\n", BodyError::LineEnd),
        ("Content-Length: 1\r\n", BodyError::TrailerForbidden),
        (
            "transfer-encoding: chunked\r\n",
            BodyError::TrailerForbidden,
        ),
        ("HOST: a\r\n", BodyError::TrailerForbidden),
        ("Authorization: Bearer x\r\n", BodyError::TrailerForbidden),
    ] {
        assert_eq!(
            decode_whole(format!("0\r\n{trailer}\r\n").as_bytes()).end,
            Err(expected),
            "{trailer:?}"
        );
    }
}

#[test]
fn what_surrounds_the_data_is_bounded() {
    let limits = ChunkedLimits {
        body_bytes_max: 4,
        line_extension_bytes_max: 3,
        extension_bytes_max: 6,
        trailers_max: 2,
        trailer_bytes_max: 12,
    };
    let end = |body: &str| decode(limits, body.as_bytes(), []).end;
    assert_eq!(end("1;ab\r\nx\r\n1;ab\r\nx\r\n0\r\n\r\n"), Ok(true));
    assert_eq!(
        end("1;abc\r\nx\r\n0\r\n\r\n"),
        Err(BodyError::ChunkExtensionsTooLong)
    );
    assert_eq!(
        end("1;ab\r\nx\r\n1;ab\r\nx\r\n0;a\r\n\r\n"),
        Err(BodyError::ChunkExtensionsTooLong)
    );
    assert_eq!(end("2\r\nxx\r\n2\r\nxx\r\n0\r\n\r\n"), Ok(true));
    assert_eq!(end("2\r\nxx\r\n3\r\n"), Err(BodyError::TooLarge));
    assert_eq!(end("0\r\nX: y\r\nX: y\r\n\r\n"), Ok(true));
    assert_eq!(
        end("0\r\nX: y\r\nX: yy\r\n\r\n"),
        Err(BodyError::TrailersTooLarge)
    );
    assert_eq!(
        end("0\r\nX:\r\nX:\r\nX:\r\n\r\n"),
        Err(BodyError::TrailersTooLarge)
    );
}

/// What the framing alone says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Refused with this status; the connection ends.
    Refused(u16),
    /// Well-formed: routes, methods and content decide.
    Framed,
}

fn status(error: HeadError) -> u16 {
    match error {
        HeadError::RequestLineTooLong => 414,
        HeadError::HeadTooLarge | HeadError::TooManyHeaders => 431,
        HeadError::UnsupportedVersion => 505,
        HeadError::UnsupportedExpectation => 417,
        _ => 400,
    }
}

/// Offset behind the body that starts at 0.
fn body_end(framing: Framing, bytes: &[u8]) -> Result<usize, u16> {
    match framing {
        Framing::None => Ok(0),
        Framing::Length(length) => match usize::try_from(length) {
            Ok(length) if length <= corpus::BODY_BYTES_MAX => Ok(length),
            _ => Err(413),
        },
        Framing::Chunked => {
            let decoded = decode(
                ChunkedLimits::new(corpus::BODY_BYTES_MAX),
                bytes,
                0..bytes.len(),
            );
            match decoded.end {
                Ok(complete) => {
                    assert!(complete, "a case must be decided by its end");
                    Ok(decoded.consumed)
                }
                Err(BodyError::TooLarge) => Err(413),
                Err(_) => Err(400),
            }
        }
    }
}

/// A connection without a server: the verdicts, and whether it goes on behind the last one.
fn converse(bytes: &[u8]) -> (Vec<Verdict>, bool) {
    let limits = HeadLimits {
        head_bytes_max: corpus::HEAD_BYTES_MAX,
        headers_max: corpus::HEADERS_MAX,
    };
    let mut verdicts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let head = match parse_split(limits, rest, 0..rest.len()) {
            Ok(Some(head)) => head,
            Ok(None) => panic!("a case must be decided by its end"),
            Err(error) => {
                verdicts.push(Verdict::Refused(status(error)));
                return (verdicts, false);
            }
        };
        match body_end(head.framing, &rest[head.len..]) {
            Ok(end) => rest = &rest[head.len + end..],
            Err(status) => {
                verdicts.push(Verdict::Refused(status));
                return (verdicts, false);
            }
        }
        verdicts.push(Verdict::Framed);
        if !head.keep_alive {
            return (verdicts, false);
        }
    }
    (verdicts, true)
}

#[test]
fn every_case_of_the_corpus_is_framed_as_it_says() {
    let cases = corpus::cases();
    assert!(cases.len() >= 140, "{} cases", cases.len());
    let mut ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), cases.len(), "ids must be unique");
    for case in &cases {
        let bytes = [&case.bytes()[..], corpus::PROBE].concat();
        let (mut verdicts, _) = converse(&bytes);
        let probed = verdicts.len() > case.answers.len();
        if probed {
            assert_eq!(verdicts.pop(), Some(Verdict::Framed), "{}", case.title());
        }
        if let Some(closes) = case.closes {
            assert_eq!(probed, !closes, "{}: {verdicts:?}", case.title());
        }
        assert_eq!(
            verdicts.len(),
            case.answers.len(),
            "{}: {verdicts:?}",
            case.title()
        );
        for (verdict, &answer) in verdicts.iter().zip(&case.answers) {
            let agrees = match *verdict {
                Verdict::Refused(status) => answer == status,
                // 400 is then the content's fault.
                Verdict::Framed => matches!(answer, 200 | 400 | 404 | 405 | 415),
            };
            assert!(agrees, "{}: {verdicts:?}", case.title());
        }
    }
}

#[test]
fn foreign_cases_are_framed_as_expected() {
    for case in foreign::cases() {
        let bytes = [&case.bytes[..], corpus::PROBE].concat();
        let (verdicts, _) = converse(&bytes);
        match case.expected {
            foreign::Expected::Accept(requests) => {
                let framed = verdicts.iter().all(|verdict| *verdict == Verdict::Framed);
                let counted = [requests, requests + 1].contains(&verdicts.len());
                assert!(framed && counted, "{}: {verdicts:?}", case.id);
            }
            foreign::Expected::Reject => {
                assert!(
                    matches!(verdicts[..], [Verdict::Refused(_)]),
                    "{}: {verdicts:?}",
                    case.id
                );
            }
        }
    }
}

/// Leaves the corpus in the form that the fuzz targets read: two bytes that choose how, then the
/// head, or the body of a chunked request.
#[test]
#[ignore = "writes files: run by fuzz/run, which sets RINGEST_FUZZ_SEEDS"]
fn seeds_for_the_fuzzers_are_written() {
    let root = std::env::var_os("RINGEST_FUZZ_SEEDS").expect("RINGEST_FUZZ_SEEDS is set");
    let write = |target: &str, id: &str, bytes: &[u8]| {
        let directory = std::path::Path::new(&root).join(target);
        std::fs::create_dir_all(&directory).expect("a directory");
        let seed = [b"\x03\xc8", bytes].concat();
        std::fs::write(directory.join(id), seed).expect("a file");
    };
    let cases = corpus::cases();
    let mut chunked = 0;
    for case in &cases {
        let bytes = case.bytes();
        write("head", &case.id, &bytes);
        if let Ok(Some(head)) = parse(&bytes)
            && head.framing == Framing::Chunked
        {
            chunked += 1;
            write("chunked", &case.id, &bytes[head.len..]);
        }
    }
    assert!(chunked > 50, "{chunked} chunked bodies");
}
