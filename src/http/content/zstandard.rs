//! Zstandard (RFC 8878).

use zstd_safe::{
    DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, ResetDirective, zstd_sys::ZSTD_ErrorCode,
};

use super::{ContentError, Progress};

/// The base-2 logarithm of the largest window: RFC 9659 section 3.
const WINDOW_LOG_MAX: u8 = 23;

/// The first byte of a frame, and of a skippable frame (RFC 8878 sections 3.1.1 and 3.1.2). The library would
/// also decode formats from before there was a standard: they start with others.
const FRAME: u8 = 0x28;
const SKIPPABLE: std::ops::RangeInclusive<u8> = 0x50..=0x5f;

/// The bytes of a frame up to its window descriptor: magic number, frame header descriptor, and itself.
const START_BYTES: usize = 6;

/// The bit of the frame header descriptor that says that there is no window descriptor (RFC 8878 section
/// 3.1.1.1.1.2).
const SINGLE_SEGMENT: u8 = 1 << 5;

pub(super) struct Zstandard {
    context: DCtx<'static>,
    /// The first bytes of the frame, as far as they have arrived; none between frames.
    start: [u8; START_BYTES],
    started: usize,
    /// At least one frame is complete.
    has_frames: bool,
}

impl Zstandard {
    /// The window; the input and the output of a block of 128 KiB; the state. Measured.
    pub(super) const MEMORY_BYTES_MAX: usize = (1 << WINDOW_LOG_MAX) + 576 * 1024;

    pub(super) fn new() -> Result<Self, ContentError> {
        let mut context = DCtx::try_create().ok_or(ContentError::OutOfMemory)?;
        let window = DParameter::WindowLogMax(u32::from(WINDOW_LOG_MAX));
        context.set_parameter(window).map_err(content_error)?;
        Ok(Self {
            context,
            start: [0; START_BYTES],
            started: 0,
            has_frames: false,
        })
    }

    pub(super) fn reset(&mut self) {
        // The only error is for parameters, in the middle of a stream.
        let _ = self.context.reset(ResetDirective::SessionOnly);
        self.started = 0;
        self.has_frames = false;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.has_frames && self.started == 0
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.context.sizeof()
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, ContentError> {
        if self.started == 0 && input.is_empty() {
            return Ok(Progress::default());
        }
        self.check_start(input)?;
        let mut source = InBuffer::around(input);
        let mut sink = OutBuffer::around(output);
        let left = (self.context)
            .decompress_stream(&mut sink, &mut source)
            .map_err(content_error)?;
        if left == 0 {
            self.started = 0;
            self.has_frames = true;
        }
        Ok(Progress {
            consumed: source.pos(),
            produced: sink.pos(),
        })
    }

    /// Checks the first bytes of a frame, whatever pieces they arrive in: whether its window is too large, the
    /// library finds only where it needs one.
    fn check_start(&mut self, input: &[u8]) -> Result<(), ContentError> {
        if self.started == START_BYTES {
            return Ok(());
        }
        let more = input.len().min(START_BYTES - self.started);
        self.start[self.started..][..more].copy_from_slice(&input[..more]);
        self.started += more;
        match self.start[0] {
            FRAME => {}
            first if SKIPPABLE.contains(&first) => return Ok(()),
            _ if self.has_frames => return Err(ContentError::Trailing),
            _ => return Err(ContentError::Malformed),
        }
        let [.., descriptor, window] = self.start;
        let has_window = self.started == START_BYTES && descriptor & SINGLE_SEGMENT == 0;
        // An exponent and a mantissa (RFC 8878 section 3.1.1.1.2).
        if has_window && window > (WINDOW_LOG_MAX - 10) << 3 {
            return Err(ContentError::Window);
        }
        Ok(())
    }
}

fn content_error(code: ErrorCode) -> ContentError {
    // As ZSTD_getErrorCode has it, which is not bound.
    let code = 0_usize.wrapping_sub(code);
    let is = |error: ZSTD_ErrorCode| code == error as usize;
    if is(ZSTD_ErrorCode::ZSTD_error_checksum_wrong) {
        ContentError::Checksum
    } else if is(ZSTD_ErrorCode::ZSTD_error_dictionary_wrong) {
        ContentError::Dictionary
    } else if is(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge) {
        ContentError::Window
    } else if is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        ContentError::OutOfMemory
    } else {
        ContentError::Malformed
    }
}
