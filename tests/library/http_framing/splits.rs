//! Whatever the bytes, the answer is the same however they are split.

use proptest::{collection::vec, prelude::*, sample::select};
use ringest::http::{ChunkedLimits, HeadLimits};

use super::{Decoded, LIMITS, decode, decode_whole, parse, parse_split};

pub(super) fn sorted(mut cuts: Vec<prop::sample::Index>, len: usize) -> Vec<usize> {
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

pub(super) fn any_request() -> impl Strategy<Value = Vec<u8>> {
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
