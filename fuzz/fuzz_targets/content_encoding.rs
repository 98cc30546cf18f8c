//! A compressed body decodes to the same bytes whole and in pieces, to any room, in bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringest::http::{Coding, ContentError, Decoder};

/// Where a bomb ends.
const CONTENT_BYTES_MAX: usize = 1 << 20;

/// The content, as far as it is decoded, and the error at its end; `None` for a bomb.
fn decode(
    decoder: &mut Decoder,
    body: &[u8],
    piece: usize,
    room: usize,
) -> Option<(Vec<u8>, Result<(), ContentError>)> {
    let mut output = vec![0; room];
    let mut content = Vec::new();
    for piece in body.chunks(piece) {
        let mut start = 0;
        loop {
            let progress = match decoder.decode(&piece[start..], &mut output) {
                Ok(progress) => progress,
                Err(error) => return Some((content, Err(error))),
            };
            content.extend_from_slice(&output[..progress.produced]);
            start += progress.consumed;
            assert!(decoder.memory_bytes() <= decoder.coding().memory_bytes_max());
            if content.len() > CONTENT_BYTES_MAX {
                return None;
            }
            if start == piece.len() && progress.produced < room {
                break;
            }
            assert!(progress.consumed + progress.produced > 0, "no progress");
        }
    }
    Some((content, decoder.finish()))
}

fuzz_target!(|input: &[u8]| {
    let [coding, piece, room, body @ ..] = input else {
        return;
    };
    let coding = [Coding::Gzip, Coding::Deflate, Coding::Zstd][usize::from(*coding % 3)];
    let mut decoder = Decoder::new(coding).expect("memory");
    let whole = decode(&mut decoder, body, body.len().max(1), 64 << 10);
    // Of the one before nothing is left.
    decoder.reset();
    let pieces = decode(
        &mut decoder,
        body,
        usize::from(*piece % 9) + 1,
        usize::from(*room) + 1,
    );
    match (whole, pieces) {
        (Some((whole, Ok(()))), pieces) => assert_eq!(pieces, Some((whole, Ok(())))),
        (Some((_, Err(_))) | None, pieces) => {
            assert!(pieces.is_none_or(|(_, end)| end.is_err()));
        }
    }
});
