//! Each way in which a stream is broken has its name.

use ringest::http::{Coding, ContentError, Decoder};

use super::{CODINGS, compress, decode, decode_in, zlib, zstd_stream};

const CONTENT: &[u8] = b"{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}";

#[test]
fn a_part_of_a_stream() {
    for coding in CODINGS {
        let whole = compress(coding, CONTENT);
        for len in 0..whole.len() {
            let error = decode(coding, &whole[..len]);
            assert_eq!(error, Err(ContentError::Truncated), "{coding:?}, {len}");
        }
    }
}

#[test]
fn bytes_behind_a_stream() {
    for coding in CODINGS {
        let whole = compress(coding, CONTENT);
        for more in [&b"\0"[..], b"\r\n", b"{}"] {
            let error = decode(coding, &[&whole, more].concat());
            assert_eq!(error, Err(ContentError::Trailing), "{coding:?}, {more:?}");
        }
    }
    let twice = zlib(CONTENT, 6).repeat(2);
    assert_eq!(decode(Coding::Deflate, &twice), Err(ContentError::Trailing));
}

#[test]
fn another_format() {
    let bodies = CODINGS.map(|coding| compress(coding, CONTENT));
    for coding in CODINGS {
        for (other, body) in CODINGS.iter().zip(&bodies) {
            let decoded = decode(coding, body);
            if coding == *other {
                assert_eq!(decoded.as_deref(), Ok(CONTENT));
            } else {
                assert_eq!(
                    decoded,
                    Err(ContentError::Malformed),
                    "{other:?} as {coding:?}"
                );
            }
        }
        for body in [CONTENT, b"\0\0", b"BZh91AY&SY", b"\xff\x06\0\0sNaPpY"] {
            assert_eq!(
                decode(coding, body),
                Err(ContentError::Malformed),
                "{coding:?}"
            );
        }
    }
    // Bare DEFLATE data, which some clients call deflate: a stored block.
    let bare = b"\x01\x02\0\xfd\xff{}";
    assert_eq!(decode(Coding::Deflate, bare), Err(ContentError::Malformed));
    // zstd 0.1 to 0.7, which the library can decode.
    for first in [0x1e, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27] {
        let body = [first, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0];
        assert_eq!(decode(Coding::Zstd, &body), Err(ContentError::Malformed));
    }
}

#[test]
fn checksums() {
    for (coding, from_end) in [
        (Coding::Gzip, 8),
        // Its length.
        (Coding::Gzip, 1),
        (Coding::Deflate, 1),
        (Coding::Zstd, 1),
    ] {
        let mut body = compress(coding, CONTENT);
        let at = body.len() - from_end;
        body[at] ^= 1;
        assert_eq!(
            decode(coding, &body),
            Err(ContentError::Checksum),
            "{coding:?}"
        );
    }
}

#[test]
fn dictionaries() {
    // FDICT (RFC 1950 section 2.2), and a dictionary's Adler-32.
    let zlib = b"\x78\xbb\0\0\0\x01\x01\0\0\xff\xff";
    assert_eq!(decode(Coding::Deflate, zlib), Err(ContentError::Dictionary));
    // A Dictionary_ID of one byte (RFC 8878 section 3.1.1.1.3), and an empty last block.
    let zstd = b"\x28\xb5\x2f\xfd\x21\x07\0\x01\0\0";
    assert_eq!(decode(Coding::Zstd, zstd), Err(ContentError::Dictionary));
}

/// Whether the library needs a window or not, one that is too large is refused.
#[test]
fn windows() {
    let body = zstd_stream(CONTENT, 23);
    assert_eq!(decode(Coding::Zstd, &body).as_deref(), Ok(CONTENT));
    let body = zstd_stream(CONTENT, 24);
    assert_eq!(decode(Coding::Zstd, &body), Err(ContentError::Window));
    // A window of 8 MiB and an eighth; a raw last block of two bytes; with the length of the content or not.
    for (descriptor, length) in [(0x00, &b""[..]), (0x40, b"\x02\0"), (0x80, b"\x02\0\0\0")] {
        for (window, expected) in [
            (13 << 3, Ok(b"{}".to_vec())),
            (13 << 3 | 1, Err(ContentError::Window)),
            (31 << 3 | 7, Err(ContentError::Window)),
        ] {
            let start = [0x28, 0xb5, 0x2f, 0xfd, descriptor, window];
            // Lengths of two bytes begin at 256.
            if length.len() == 2 && expected.is_ok() {
                continue;
            }
            let body = [&start, length, b"\x11\0\0{}"].concat();
            assert_eq!(
                decode(Coding::Zstd, &body),
                expected,
                "{descriptor}, {window}"
            );
        }
    }
    // A single segment of 9 MiB (RFC 8878 section 3.1.1.1.1.2) has a window as large as its content.
    let single = b"\x28\xb5\x2f\xfd\xa0\0\0\x90\0\x11\0\0{}";
    assert_eq!(decode(Coding::Zstd, single), Err(ContentError::Window));
}

/// A bit that is wrong anywhere in a small stream, which may end in an empty part, gives the same wherever the
/// stream is split.
#[test]
fn each_bit() {
    for coding in CODINGS {
        let mut body = compress(coding, CONTENT);
        if coding != Coding::Deflate {
            body.extend(compress(coding, b""));
        }
        for (at, bit) in (0..body.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut broken = body.clone();
            broken[at] ^= 1 << bit;
            let whole = decode(coding, &broken);
            assert!(whole.is_err() || whole.as_deref() == Ok(CONTENT));
            for cut in 0..=broken.len() {
                let mut decoder = Decoder::new(coding).expect("memory");
                let pieces = decode_in(&mut decoder, &broken, &[cut], 1 + cut);
                assert_eq!(pieces, whole, "{coding:?}, {at}, {bit}, {cut}");
            }
        }
    }
}

/// What a frame says of the size of its content holds (RFC 8878 section 3.1.1.1.4), wherever it is split.
#[test]
fn sizes() {
    let (raw, empty) = (b"\x10\0\0{}", b"\x01\0\0");
    for (size, expected) in [
        (2, Ok(b"{}".to_vec())),
        (1, Err(ContentError::Malformed)),
        (3, Err(ContentError::Malformed)),
    ] {
        // Without a dictionary's ID, and with the one that means none.
        for start in [
            &b"\x28\xb5\x2f\xfd\x20"[..],
            b"\x28\xb5\x2f\xfd\x23\0\0\0\0",
        ] {
            let body = [start, &[size], raw, empty].concat();
            for cut in 0..=body.len() {
                let mut decoder = Decoder::new(Coding::Zstd).expect("memory");
                let found = decode_in(&mut decoder, &body, &[cut], 100);
                assert_eq!(found, expected, "{size}, {cut}");
            }
        }
    }
}

/// The four bytes of a dictionary's ID may be those that a frame starts with.
#[test]
fn a_frame_in_a_header() {
    let body = b"\x28\xb5\x2f\xfd\x23\x28\xb5\x2f\xfd\x20\x02\x11\0\0{}";
    for cut in 0..=body.len() {
        let mut decoder = Decoder::new(Coding::Zstd).expect("memory");
        let found = decode_in(&mut decoder, body, &[cut], 100);
        assert_eq!(found, Err(ContentError::Dictionary), "{cut}");
    }
}
