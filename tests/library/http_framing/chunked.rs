//! The chunked coding: each of its faults, and its limits.

use ringest::http::{BodyError, ChunkedLimits};

use super::{decode, decode_whole};

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
