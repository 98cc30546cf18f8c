//! Heads as a whole, the request line, and the path in its target.

use ringest::http::{
    Authorization, ContentCoding, Framing, HeadError, HeadParser, MediaType, Method, Version,
};

use super::{LIMITS, head, parse, post, request};

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
