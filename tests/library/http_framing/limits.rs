//! The limits of a head: filled, and exceeded by one.

use ringest::http::{HEADERS_MAX, HeadError, HeadLimits, REQUEST_LINE_BYTES_MAX};

use super::{LIMITS, parse_split, post, request};

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
