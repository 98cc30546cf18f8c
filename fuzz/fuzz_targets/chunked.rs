//! A chunked body decodes to the same bytes whole and in pieces, and to no more than its limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringest::http::{BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep};

/// The data, where the body ended (0 behind an error), and how.
type Decoded = (Vec<u8>, usize, Result<bool, BodyError>);

fn decode(limits: ChunkedLimits, body: &[u8], piece: usize) -> Decoded {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut data = Vec::new();
    let mut consumed = 0;
    let mut end = piece.min(body.len());
    loop {
        let input = &body[consumed..end];
        match decoder.decode(input) {
            Ok((taken, step)) => {
                consumed += taken;
                match step {
                    ChunkedStep::Data(range) => data.extend_from_slice(&input[range]),
                    ChunkedStep::Done => return (data, consumed, Ok(true)),
                    ChunkedStep::NeedMore if end == body.len() => {
                        return (data, consumed, Ok(false));
                    }
                    ChunkedStep::NeedMore => end = (end + piece).min(body.len()),
                }
            }
            Err(error) => return (data, 0, Err(error)),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [piece, max, body @ ..] = input else {
        return;
    };
    let mut limits = ChunkedLimits::new(usize::from(*max) * 8);
    limits.line_extension_bytes_max = usize::from(*max % 32);
    limits.trailer_bytes_max = usize::from(*max % 64);
    let whole = decode(limits, body, body.len());
    assert_eq!(whole, decode(limits, body, usize::from(*piece % 9) + 1));
    assert!(whole.0.len() <= limits.body_bytes_max && whole.0.len() <= body.len());
});
