//! What must always hold of HTTP/1.1 framing, tried on the library: the answer does not depend on
//! how the bytes are split, what was encoded is decoded, and each limit is exact.

mod cases;
mod chunked;
mod fields;
mod head;
mod limits;
mod proxies;
mod repeated;
mod splits;

use ringest::http::{
    BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep, HeadError, HeadLimits, HeadParser,
    RequestHead,
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

/// A chunked body's data, the bytes consumed (0 behind an error), and whether it is complete.
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
