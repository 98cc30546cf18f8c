//! The cases of `tests/http`, and those of another server's suite, on the library.

#[path = "../../http/corpus.rs"]
mod corpus;
#[path = "../../http/foreign.rs"]
mod foreign;

use ringest::http::{BodyError, ChunkedLimits, Framing, HeadError, HeadLimits};

use super::{decode, parse_split};

/// What the framing alone says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
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

/// A connection without a server: the outcomes, the last of which may end it.
fn converse(bytes: &[u8]) -> Vec<Outcome> {
    let limits = HeadLimits {
        head_bytes_max: corpus::HEAD_BYTES_MAX,
        headers_max: corpus::HEADERS_MAX,
    };
    let mut outcomes = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let head = match parse_split(limits, rest, 0..rest.len()) {
            Ok(Some(head)) => head,
            Ok(None) => panic!("a case must be decided by its end"),
            Err(error) => {
                outcomes.push(Outcome::Refused(status(error)));
                return outcomes;
            }
        };
        match body_end(head.framing, &rest[head.len..]) {
            Ok(end) => rest = &rest[head.len + end..],
            Err(status) => {
                outcomes.push(Outcome::Refused(status));
                return outcomes;
            }
        }
        outcomes.push(Outcome::Framed);
        if !head.keep_alive {
            return outcomes;
        }
    }
    outcomes
}

#[test]
fn every_case_of_the_corpus_is_framed_as_it_says() {
    let cases = corpus::cases(env!("CARGO_MANIFEST_DIR"));
    assert!(cases.len() >= 140, "{} cases", cases.len());
    let mut ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), cases.len(), "ids must be unique");
    for case in &cases {
        let bytes = [&case.bytes()[..], corpus::PROBE].concat();
        let mut outcomes = converse(&bytes);
        let probed = outcomes.len() > case.answers.len();
        if probed {
            assert_eq!(outcomes.pop(), Some(Outcome::Framed), "{}", case.title());
        }
        if let Some(closes) = case.closes {
            assert_eq!(probed, !closes, "{}: {outcomes:?}", case.title());
        }
        assert_eq!(
            outcomes.len(),
            case.answers.len(),
            "{}: {outcomes:?}",
            case.title()
        );
        for (outcome, &answer) in outcomes.iter().zip(&case.answers) {
            let agrees = match *outcome {
                Outcome::Refused(status) => answer == status,
                // 400 is then the content's fault.
                Outcome::Framed => matches!(answer, 200 | 400 | 404 | 405 | 415),
            };
            assert!(agrees, "{}: {outcomes:?}", case.title());
        }
    }
}

#[test]
fn foreign_cases_are_framed_as_expected() {
    for case in foreign::cases() {
        let bytes = [&case.bytes[..], corpus::PROBE].concat();
        let outcomes = converse(&bytes);
        match case.expected {
            foreign::Expected::Accept(requests) => {
                let framed = outcomes.iter().all(|outcome| *outcome == Outcome::Framed);
                let counted = [requests, requests + 1].contains(&outcomes.len());
                assert!(framed && counted, "{}: {outcomes:?}", case.id);
            }
            foreign::Expected::Reject => {
                assert!(
                    matches!(outcomes[..], [Outcome::Refused(_)]),
                    "{}: {outcomes:?}",
                    case.id
                );
            }
        }
    }
}
