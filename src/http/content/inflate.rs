//! gzip (RFC 1952) and zlib (RFC 1950).

use flate2::{Decompress, DecompressError, FlushDecompress, Status};

use super::{Coding, ContentError, Progress};

/// The base-2 logarithm of the largest window (RFC 1950 section 2.2).
const WINDOW_LOG: u8 = 15;

/// The first byte of a gzip member (RFC 1952 section 2.3.1).
const GZIP_ID1: u8 = 0x1f;

pub(super) struct Inflate {
    coding: Coding,
    stream: Decompress,
    /// The stream, or this member of it, is complete.
    has_ended: bool,
}

impl Inflate {
    /// The window of 32 KiB, code tables and state: measured by `tests/allocations.rs`.
    pub(super) const MEMORY_BYTES: usize = 48 * 1024;

    pub(super) fn new(coding: Coding) -> Self {
        Self {
            coding,
            stream: match coding {
                Coding::Gzip => Decompress::new_gzip(WINDOW_LOG),
                Coding::Deflate | Coding::Zstd => Decompress::new(true),
            },
            has_ended: false,
        }
    }

    pub(super) fn reset(&mut self) {
        // It keeps the format that it was made for.
        self.stream.reset(true);
        self.has_ended = false;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.has_ended
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, ContentError> {
        if self.has_ended {
            match (self.coding, input) {
                (_, []) => return Ok(Progress::default()),
                (Coding::Gzip, [GZIP_ID1, ..]) => self.reset(),
                _ => return Err(ContentError::Trailing),
            }
        }
        let before = (self.stream.total_in(), self.stream.total_out());
        let status = (self.stream)
            .decompress(input, output, FlushDecompress::None)
            .map_err(|error| content_error(&error))?;
        self.has_ended = status == Status::StreamEnd;
        Ok(Progress {
            consumed: difference(self.stream.total_in(), before.0),
            produced: difference(self.stream.total_out(), before.1),
        })
    }
}

/// At most the length of a slice.
fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

fn content_error(error: &DecompressError) -> ContentError {
    if error.needs_dictionary().is_some() {
        return ContentError::Dictionary;
    }
    // zlib's own texts, which never change.
    match error.message() {
        Some("incorrect data check" | "incorrect length check") => ContentError::Checksum,
        _ => ContentError::Malformed,
    }
}
