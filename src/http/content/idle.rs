//! Decoders between two bodies.

use std::cell::Cell;

use strum::VariantArray;

use super::{Coding, ContentError, Decoder};

/// The largest decoder that is kept: one with a window of 2 MiB, as the zstd program and the streaming interface
/// of its library ask for at their default level, where they do not know how long the body will be. One decoder a
/// body costs 25 microseconds.
const KEPT_BYTES_MAX: usize = (2 << 20) + 576 * 1024;

/// Decoders of one worker that no body uses, at most one of each coding: making one takes about as long as
/// decoding a small body.
#[derive(Default)]
pub struct IdleDecoders([Cell<Option<Decoder>>; Coding::VARIANTS.len()]);

impl IdleDecoders {
    /// The most memory that one of a coding takes here, in bytes.
    pub(super) fn bytes_max(coding: Coding) -> usize {
        coding.memory_bytes_max().min(KEPT_BYTES_MAX)
    }

    /// A decoder at the start of a body.
    ///
    /// # Errors
    /// [`ContentError::OutOfMemory`].
    pub fn take(&self, coding: Coding) -> Result<Decoder, ContentError> {
        let idle = self.0[coding as usize].take();
        idle.map_or_else(|| Decoder::new(coding), Ok)
    }

    /// Keeps a decoder that is not needed any more, unless it is large.
    pub fn give_back(&self, mut decoder: Decoder) {
        if decoder.memory_bytes() <= KEPT_BYTES_MAX {
            decoder.reset();
            self.0[decoder.coding() as usize].set(Some(decoder));
        }
    }
}
