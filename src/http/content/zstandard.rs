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

/// The bytes of a frame up to the descriptor of its header, and of the longest header.
const DESCRIPTOR_END: usize = 5;
const HEADER_BYTES_MAX: usize = DESCRIPTOR_END + 1 + 4 + 8;

/// The bit of the frame header descriptor that says that there is no window descriptor (RFC 8878 section
/// 3.1.1.1.1.2).
const SINGLE_SEGMENT: u8 = 1 << 5;

pub(super) struct Zstandard {
    context: DCtx<'static>,
    /// The header of the frame, as far as it has arrived: nothing between frames.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// The content of the frame, as far as it is decoded.
    content_bytes: u64,
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
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            content_bytes: 0,
            has_frames: false,
        })
    }

    pub(super) fn reset(&mut self) {
        // The only error is for parameters, in the middle of a stream.
        let _ = self.context.reset(ResetDirective::SessionOnly);
        self.header_bytes = 0;
        self.content_bytes = 0;
        self.has_frames = false;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.has_frames && self.header_bytes == 0
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.context.sizeof()
    }

    pub(super) fn decode(
        &mut self,
        mut input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, ContentError> {
        if self.header_bytes == 0 && input.is_empty() {
            return Ok(Progress::default());
        }
        // The library has another decoder, with other checks, for a frame that it is given whole: a header on
        // its own, or the end of one, never is.
        let more = input.len().min(self.header_left());
        if more > 0 {
            input = &input[..more];
            self.check_header(input)?;
        }
        let mut source = InBuffer::around(input);
        let mut sink = OutBuffer::around(output);
        let left = (self.context)
            .decompress_stream(&mut sink, &mut source)
            .map_err(content_error)?;
        self.content_bytes += sink.pos() as u64;
        if left == 0 {
            self.check_content_size()?;
            self.header_bytes = 0;
            self.content_bytes = 0;
            self.has_frames = true;
        }
        Ok(Progress {
            consumed: source.pos(),
            produced: sink.pos(),
        })
    }

    /// How many bytes are left of the header, or of the part that says how long it is (RFC 8878 section
    /// 3.1.1.1.1).
    fn header_left(&self) -> usize {
        if self.header_bytes < DESCRIPTOR_END {
            return DESCRIPTOR_END - self.header_bytes;
        }
        let descriptor = self.header[DESCRIPTOR_END - 1];
        let window = usize::from(descriptor & SINGLE_SEGMENT == 0);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content_size = match descriptor >> 6 {
            0 => 1 - window,
            log => 1 << log,
        };
        DESCRIPTOR_END + window + dictionary + content_size - self.header_bytes
    }

    /// Checks a header as far as it has arrived, with `more` of it: whether its window is too large, the library
    /// finds only where it needs one.
    fn check_header(&mut self, more: &[u8]) -> Result<(), ContentError> {
        self.header[self.header_bytes..][..more.len()].copy_from_slice(more);
        self.header_bytes += more.len();
        match self.header[0] {
            FRAME => {}
            first if SKIPPABLE.contains(&first) => return Ok(()),
            _ if self.has_frames => return Err(ContentError::Trailing),
            _ => return Err(ContentError::Malformed),
        }
        let [_, _, _, _, descriptor, window, ..] = self.header;
        let has_window = self.header_bytes > DESCRIPTOR_END && descriptor & SINGLE_SEGMENT == 0;
        // An exponent and a mantissa (RFC 8878 section 3.1.1.1.2).
        if has_window && window > (WINDOW_LOG_MAX - 10) << 3 {
            return Err(ContentError::Window);
        }
        Ok(())
    }

    /// Checks the size of the content at the end of a frame, if its header says one: the library does not do so
    /// where the last block is empty.
    fn check_content_size(&self) -> Result<(), ContentError> {
        match zstd_safe::get_frame_content_size(&self.header[..self.header_bytes]) {
            Ok(Some(bytes)) if bytes != self.content_bytes => Err(ContentError::Malformed),
            _ => Ok(()),
        }
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
