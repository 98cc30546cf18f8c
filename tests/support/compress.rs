//! Compressed bodies, as clients make them.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use ringest::http::Coding;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, zstd_sys::ZSTD_EndDirective};

/// `content` in one coding, as a client compresses what it has.
pub(crate) fn compress(coding: Coding, content: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => gzip(content, 6),
        Coding::Deflate => zlib(content, 6),
        Coding::Zstd => zstd(content, 3),
    }
}

pub(crate) fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

pub(crate) fn zlib(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

/// In one piece: the frame says how long its content is.
pub(crate) fn zstd(content: &[u8], level: i32) -> Vec<u8> {
    let mut frame = vec![0; zstd_safe::compress_bound(content.len())];
    let mut encoder = CCtx::create();
    let level = CParameter::CompressionLevel(level);
    encoder.set_parameter(level).expect("a level");
    let checksum = CParameter::ChecksumFlag(true);
    encoder.set_parameter(checksum).expect("a flag");
    let len = encoder.compress2(&mut frame[..], content);
    frame.truncate(len.expect("room"));
    frame
}

/// In pieces of a stream: the frame has a window of this size and does not say how long its content is.
pub(crate) fn zstd_stream(content: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = CCtx::create();
    let window = CParameter::WindowLog(window_log);
    encoder.set_parameter(window).expect("a window");
    let checksum = CParameter::ChecksumFlag(true);
    encoder.set_parameter(checksum).expect("a flag");
    let mut frame = vec![0; zstd_safe::compress_bound(content.len()) + 1_024];
    let mut output = OutBuffer::around(&mut frame[..]);
    for piece in content.chunks(100_000) {
        let mut input = InBuffer::around(piece);
        let flush = ZSTD_EndDirective::ZSTD_e_flush;
        let left = encoder.compress_stream2(&mut output, &mut input, flush);
        assert_eq!(left, Ok(0));
    }
    let mut nothing = InBuffer::around(&[]);
    let end = ZSTD_EndDirective::ZSTD_e_end;
    let left = encoder.compress_stream2(&mut output, &mut nothing, end);
    assert_eq!(left, Ok(0));
    let len = output.pos();
    frame.truncate(len);
    frame
}
