//! What a connection had before changes nothing about a head.

use proptest::{collection::vec, prelude::*};
use ringest::http::{Framing, HeadLimits, HeadParser};

use super::{
    LIMITS, parse, post,
    splits::{any_request, sorted},
};

fn usual(length: &str) -> Vec<u8> {
    let length = format!("Content-Length: {length}");
    post(&["Authorization: Bearer abc", &length, "X-Request-Id: 1"])
}

#[test]
fn a_head_that_comes_again_has_its_own_length() {
    let mut parser = HeadParser::new(LIMITS);
    for (length, expected) in [
        ("293", 293),
        ("293", 293),
        ("300", 300),
        ("007", 7),
        ("1000", 1_000),
        ("9999", 9_999),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551614", u64::MAX - 1),
        ("5", 5),
    ] {
        parser.reset();
        let head = parser.parse(&[usual(length), vec![b'0'; 400]].concat());
        let head = head.expect("well-formed").expect("complete");
        assert_eq!(head.framing, Framing::Length(expected), "{length}");
        assert_eq!(Ok(Some(head)), parse(&usual(length)));
    }
}

#[test]
fn a_head_that_differs_from_the_one_before_is_parsed() {
    let before = usual("20");
    let others = [
        usual("2x"),
        usual("-1"),
        usual("2 "),
        usual(" 2"),
        usual("2,"),
        usual("2\n"),
        usual("123"),
        usual(""),
        post(&["Content-Length: 20"]),
        post(&[]),
        before.to_ascii_uppercase(),
        before[..before.len() - 1].to_vec(),
        before[..40].to_vec(),
        before[1..].to_vec(),
        Vec::new(),
    ];
    let mut parser = HeadParser::new(LIMITS);
    for other in others {
        for bytes in [&before, &other] {
            parser.reset();
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(parser.parse(bytes), parse(bytes), "{text}");
        }
    }
    // The kept one has 20 digits, and this number does not fit.
    let largest = usual("18446744073709551615");
    let larger = usual("18446744073709551616");
    for bytes in [&largest, &larger] {
        parser.reset();
        assert_eq!(parser.parse(bytes), parse(bytes));
    }
}

/// Every byte at every place, one byte more or fewer, with another request behind it.
#[test]
fn any_change_of_one_byte_is_seen() {
    let head = usual("20");
    let before = [&head[..], b"\r\n"].concat();
    let mut parser = HeadParser::new(LIMITS);
    let mut same_as_first = |bytes: &[u8]| {
        for bytes in [&before[..], bytes, bytes] {
            parser.reset();
            let text = bytes.escape_ascii();
            assert_eq!(parser.parse(bytes), parse(bytes), "{text}");
        }
    };
    for place in 0..before.len() {
        let (start, rest) = before.split_at(place);
        for byte in 0..=u8::MAX {
            same_as_first(&[start, &[byte], &rest[1..]].concat());
        }
        for byte in *b"\0\t\n\r ,0a:\x80" {
            same_as_first(&[start, &[byte], rest].concat());
        }
        same_as_first(&[start, &rest[1..]].concat());
    }
    // The same one again, cut anywhere, with the next one right behind it.
    let pipelined = [&head[..], &head[..]].concat();
    for cut in 0..=pipelined.len() {
        parser.reset();
        assert_eq!(parser.parse(&pipelined[..cut]), parse(&pipelined[..cut]));
        assert_eq!(parser.parse(&pipelined), parse(&head), "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_head_reads_the_same_whatever_was_before(
        before in any_request(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in vec(any::<prop::sample::Index>(), 0..3),
        length in 0u32..100,
        head_bytes_max in 20usize..200,
    ) {
        // With a length more often than not, so that many are valid.
        let before = String::from_utf8_lossy(&before).replace(": y", &format!(": y\r\nContent-Length: {length}"));
        let mut bytes = before.clone().into_bytes();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for limits in [LIMITS, HeadLimits { head_bytes_max, ..LIMITS }] {
            let mut parser = HeadParser::new(limits);
            let _ = parser.parse(before.as_bytes());
            parser.reset();
            let mut read = Ok(None);
            for end in sorted(cuts.clone(), bytes.len()).into_iter().chain([bytes.len()]) {
                if read == Ok(None) {
                    read = parser.parse(&bytes[..end]);
                }
            }
            prop_assert_eq!(read, HeadParser::new(limits).parse(&bytes));
        }
    }
}
