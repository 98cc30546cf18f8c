//! Content codings: what was compressed comes out, whatever pieces it arrives in, or an error does.

mod errors;

use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use ringest::http::{Coding, Codings, ContentError, Decoder, IdleDecoders};

use crate::compress::{compress, gzip, zlib, zstd, zstd_stream};

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Deflate, Coding::Zstd];

/// Decodes a body that arrives in pieces with these ends, to pieces of so many bytes.
fn decode_in(
    decoder: &mut Decoder,
    body: &[u8],
    ends: &[usize],
    room: usize,
) -> Result<Vec<u8>, ContentError> {
    let mut output = vec![0; room];
    let mut content = Vec::new();
    let mut start = 0;
    for end in ends.iter().copied().chain([body.len()]) {
        loop {
            let progress = decoder.decode(&body[start..end], &mut output)?;
            content.extend_from_slice(&output[..progress.produced]);
            start += progress.consumed;
            if start == end && progress.produced < room {
                break;
            }
            let has_progress = progress.consumed + progress.produced > 0;
            assert!(has_progress, "nothing at {start} of {end}");
        }
    }
    decoder.finish()?;
    Ok(content)
}

fn decode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, ContentError> {
    let mut decoder = Decoder::new(coding).expect("memory");
    decode_in(&mut decoder, body, &[], 64 * 1_024)
}

/// JSON and other bytes, some of which compress well.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let records = (any::<u32>(), 0_usize..2_000).prop_map(|(seed, count)| {
        let record = |n| format!("{{\"id\":{n},\"at\":{}}}\n", seed.wrapping_mul(n));
        let count = u32::try_from(count).expect("a few");
        (0..count).map(record).collect::<String>().into_bytes()
    });
    let repeated = (any::<u8>(), 0_usize..400_000).prop_map(|(byte, len)| vec![byte; len]);
    prop_oneof![records, repeated, vec(any::<u8>(), 0..40_000)]
}

/// The content in a coding, as one of several encoders makes it.
fn any_body() -> impl Strategy<Value = (Coding, Vec<u8>, Vec<u8>)> {
    let coding = select(CODINGS.to_vec());
    (coding, any_content(), any::<Index>(), 0_u32..8).prop_map(|(coding, content, cut, how)| {
        let body = match (coding, how) {
            (Coding::Gzip, 0) | (Coding::Zstd, 1) => {
                // Several members, or frames.
                let (first, second) = content.split_at(cut.index(content.len() + 1));
                let parts = [first, second, b""].map(|part| compress(coding, part));
                parts.concat()
            }
            (Coding::Gzip, level) => gzip(&content, level),
            (Coding::Deflate, level) => zlib(&content, level),
            (Coding::Zstd, 0) => {
                // A skippable frame before it (RFC 8878 section 3.1.2).
                [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", &*zstd(&content, 1)].concat()
            }
            (Coding::Zstd, level @ 2..4) => zstd_stream(&content, 8 + level),
            (Coding::Zstd, level) => zstd(&content, level.cast_signed()),
        };
        (coding, content, body)
    })
}

fn sorted(cuts: &[Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    ends.sort_unstable();
    ends
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_compressed_comes_out(
        (coding, content, body) in any_body(),
        cuts in vec(any::<Index>(), 0..20),
        room in prop_oneof![1_usize..40, 1_000_usize..100_000],
    ) {
        let mut decoder = Decoder::new(coding).expect("memory");
        let ends = sorted(&cuts, body.len());
        // The second time it is another body.
        for _ in 0..2 {
            let decoded = decode_in(&mut decoder, &body, &ends, room);
            prop_assert!(decoded.as_ref() == Ok(&content), "{:?}", decoded.map(|it| it.len()));
            prop_assert!(decoder.memory_bytes() <= coding.memory_bytes_max());
            decoder.reset();
        }
    }

    /// Neither is it another error in other pieces.
    #[test]
    fn what_is_broken_does_not_come_out(
        (coding, content, body) in any_body(),
        position in any::<Index>(),
        bit in 0..8,
        cuts in vec(any::<Index>(), 0..20),
        room in 1_usize..10_000,
    ) {
        let mut broken = body;
        *position.get_mut(&mut broken) ^= 1_u8 << bit;
        let whole = decode(coding, &broken);
        let mut decoder = Decoder::new(coding).expect("memory");
        let ends = sorted(&cuts, broken.len());
        let pieces = decode_in(&mut decoder, &broken, &ends, room);
        prop_assert_eq!(whole.as_ref().err(), pieces.as_ref().err());
        // Some bits mean nothing, such as those of a file's time.
        prop_assert!(whole.is_err() || whole.as_ref() == Ok(&content));
        prop_assert!(pieces.is_err() || pieces.as_ref() == Ok(&content));
    }
}

/// Files of the commands gzip and zstd, and of Python's zlib.
#[test]
fn what_others_make() {
    let gzip =
        b"\x1f\x8b\x08\x08\xa5\x89\x0c\x6b\0\x03n.json\0\xab\x56\xca\x53\xb2\x32\xac\xe5\x02\
                 \0\x93\x11\xbe\x85\x08\0\0\0";
    let zlib = b"\x78\x9c\xab\x56\xca\x53\xb2\x32\xac\xe5\x02\0\x0a\x8b\x02\x20";
    let zstd = b"\x28\xb5\x2f\xfd\x24\x08\x41\0\0{\"n\":1}\n\x33\x15\x9b\x3c";
    for (coding, body) in CODINGS.into_iter().zip([&gzip[..], zlib, zstd]) {
        let decoded = decode(coding, body);
        assert_eq!(decoded.as_deref(), Ok(&b"{\"n\":1}\n"[..]), "{coding:?}");
    }
}

#[test]
fn sets_of_codings() {
    let none = Codings::default();
    assert_eq!(Codings::named([]), Some(none));
    assert_eq!(
        (none.to_string(), none.memory_bytes_max()),
        ("identity".into(), 0)
    );
    assert_eq!(none.worker_bytes_max(), 0);
    let two = Codings::named(["zstd", "gzip", "zstd"]).expect("known names");
    assert_eq!(two.to_string(), "gzip, zstd");
    assert_eq!(CODINGS.map(|it| two.contains(it)), [true, false, true]);
    assert_eq!(two.memory_bytes_max(), Coding::Zstd.memory_bytes_max());
    for unknown in ["", "GZIP", "x-gzip", "br", "identity", "gzip "] {
        assert_eq!(Codings::named([unknown]), None, "{unknown:?}");
    }
}

/// A large decoder is not kept, and none has anything left of the body before.
#[test]
fn idle_decoders() {
    let idle = IdleDecoders::default();
    for coding in CODINGS {
        for body in [
            &compress(coding, b"[1]")[..],
            b"",
            b"xx",
            &compress(coding, b"[2]"),
        ] {
            let mut decoder = idle.take(coding).expect("memory");
            assert_eq!(decoder.coding(), coding);
            assert_eq!(decoder.finish(), Err(ContentError::Truncated));
            let _ = decode_in(&mut decoder, body, &[], 100);
            idle.give_back(decoder);
        }
    }
    let mut large = idle.take(Coding::Zstd).expect("memory");
    let small = large.memory_bytes();
    let content = vec![b' '; 9 << 20];
    let body = zstd_stream(&content, 23);
    let decoded = decode_in(&mut large, &body, &[], 64 * 1_024);
    assert!(decoded.as_ref() == Ok(&content));
    let bytes = large.memory_bytes();
    assert!(
        (8 << 20..=Coding::Zstd.memory_bytes_max()).contains(&bytes),
        "{bytes}"
    );
    idle.give_back(large);
    let next = idle.take(Coding::Zstd).expect("memory").memory_bytes();
    assert!(next <= small, "{next}");
}
