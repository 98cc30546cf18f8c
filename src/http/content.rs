//! Content codings (RFC 9110 section 8.4.1), decoded as they arrive and without I/O.
//!
//! What a body was before it was compressed comes out, whatever pieces it arrives in; anything that is not a
//! whole stream of its coding is an error. A decoder takes no more memory than [`Coding::memory_bytes_max`].

mod idle;
mod inflate;
mod zstandard;

use std::fmt;

use strum::VariantArray;

pub use idle::IdleDecoders;
use inflate::Inflate;
use zstandard::Zstandard;

/// A content coding that ringest can decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Coding {
    /// RFC 1952; also called `x-gzip` (RFC 9110 section 8.4.1.3). Several members are one stream.
    Gzip,
    /// The zlib format (RFC 1950), not the bare DEFLATE data that some clients send under this name
    /// (RFC 9110 section 8.4.1.2).
    Deflate,
    /// RFC 8878, with a window of at most 8 MiB (RFC 9659). Several frames are one stream.
    Zstd,
}

impl Coding {
    /// The most memory that a decoder takes, in bytes.
    pub const fn memory_bytes_max(self) -> usize {
        match self {
            Self::Gzip | Self::Deflate => Inflate::MEMORY_BYTES,
            Self::Zstd => Zstandard::MEMORY_BYTES_MAX,
        }
    }
}

/// A set of content codings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codings([bool; Coding::VARIANTS.len()]);

impl Codings {
    /// The codings with these names; `None` if one of them has another name.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut codings = Self::default();
        for name in names {
            let coding = Coding::VARIANTS.iter().find(|it| name == <&str>::from(*it));
            codings.0[*coding? as usize] = true;
        }
        Some(codings)
    }

    /// Whether it is one of them.
    pub fn contains(self, coding: Coding) -> bool {
        self.0[coding as usize]
    }

    /// The most memory that a decoder of one of them takes, in bytes.
    pub fn memory_bytes_max(self) -> usize {
        self.iter().map(Coding::memory_bytes_max).max().unwrap_or(0)
    }

    /// The most memory that a worker has for decoders beside what bodies are charged for: idle ones, and one
    /// that has just become larger, or is about to be replaced.
    pub fn worker_bytes_max(self) -> usize {
        let idle = self.iter().map(IdleDecoders::bytes_max);
        idle.sum::<usize>() + self.memory_bytes_max()
    }

    fn iter(self) -> impl Iterator<Item = Coding> {
        let all = Coding::VARIANTS.iter().copied();
        all.filter(move |coding| self.contains(*coding))
    }
}

/// As the value of `Accept-Encoding` (RFC 9110 section 12.5.3).
impl fmt::Display for Codings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Into::into).collect();
        if names.is_empty() {
            return f.write_str("identity");
        }
        f.write_str(&names.join(", "))
    }
}

/// Why a body can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is not of the format.
    #[error("it is not in that format")]
    Malformed,
    /// The content, or its length, is not what the stream says at its end.
    #[error("its checksum does not match")]
    Checksum,
    /// It ends before the stream does.
    #[error("it is incomplete")]
    Truncated,
    /// There are bytes behind the stream.
    #[error("bytes follow its end")]
    Trailing,
    /// It was compressed with a dictionary.
    #[error("it needs a dictionary")]
    Dictionary,
    /// Its window is larger than 8 MiB (RFC 9659 section 3).
    #[error("its window is larger than 8 MiB")]
    Window,
    /// There is no memory for a decoder: not the client's fault.
    #[error("there is no memory to decode it")]
    OutOfMemory,
}

/// What a step of decoding did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input.
    pub consumed: usize,
    /// Bytes of the output. Where there was room for more, there is no more to come from what was consumed.
    pub produced: usize,
}

/// Decodes one body.
pub struct Decoder {
    coding: Coding,
    stream: Stream,
}

enum Stream {
    Inflate(Inflate),
    Zstandard(Zstandard),
}

impl Decoder {
    /// One at the start of a body.
    ///
    /// # Errors
    /// [`ContentError::OutOfMemory`].
    pub fn new(coding: Coding) -> Result<Self, ContentError> {
        let stream = match coding {
            Coding::Gzip | Coding::Deflate => Stream::Inflate(Inflate::new(coding)),
            Coding::Zstd => Stream::Zstandard(Zstandard::new()?),
        };
        Ok(Self { coding, stream })
    }

    /// Makes it one at the start of another body.
    pub fn reset(&mut self) {
        match &mut self.stream {
            Stream::Inflate(stream) => stream.reset(),
            Stream::Zstandard(stream) => stream.reset(),
        }
    }

    /// Its coding.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Decodes a part of `input`, which starts where the part consumed by the last call ended, to the front of
    /// `output`. Something is consumed or produced, unless there is no room, or no input and nothing left to
    /// produce.
    ///
    /// # Errors
    /// [`ContentError`], at the latest when the whole stream was consumed; the decoder must be reset before
    /// it is used again.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, ContentError> {
        match &mut self.stream {
            Stream::Inflate(stream) => stream.decode(input, output),
            Stream::Zstandard(stream) => stream.decode(input, output),
        }
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// [`ContentError::Truncated`].
    pub fn finish(&self) -> Result<(), ContentError> {
        let is_complete = match &self.stream {
            Stream::Inflate(stream) => stream.is_complete(),
            Stream::Zstandard(stream) => stream.is_complete(),
        };
        if is_complete {
            Ok(())
        } else {
            Err(ContentError::Truncated)
        }
    }

    /// The memory that it takes now, in bytes; a stream can make it more, up to
    /// [`Coding::memory_bytes_max`].
    pub fn memory_bytes(&self) -> usize {
        match &self.stream {
            Stream::Inflate(_) => Inflate::MEMORY_BYTES,
            Stream::Zstandard(stream) => stream.memory_bytes(),
        }
    }
}
