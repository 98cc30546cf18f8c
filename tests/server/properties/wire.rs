//! How a request comes over the wire: its framing, and the pieces that its bytes arrive in.

use std::{io, ops::Range, thread, time::Duration};

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::support::http::{Http, request};

/// Between two pieces now and then: long enough for the server to have read the first.
const PAUSE: Duration = Duration::from_millis(1);

/// What marks a body's end (RFC 9112 section 6.3).
#[derive(Clone, Debug)]
pub(crate) enum Framing {
    /// In the head.
    Sized,
    /// By its chunks (RFC 9112 section 7.1).
    Chunked(Chunks),
}

/// How a body is cut into chunks.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    /// Bytes of the chunks, over and over.
    sizes: Vec<usize>,
    /// Of the first chunk's size line; ringest reads past it.
    extension: String,
    trailer: String,
    upper: bool,
}

/// The pieces that a connection's bytes are written in.
#[derive(Clone, Debug)]
pub(crate) enum Pieces {
    /// Cut there; with a pause before the next piece or not.
    At(Vec<(Index, bool)>),
    /// So many bytes each, but no more than some hundreds of pieces.
    Every(usize),
}

impl Framing {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let size = |range: Range<usize>| vec(range, 1..4);
        let sizes = prop_oneof![size(1..20), size(1..5_000), size(10_000..100_000)];
        let extension = prop_oneof![
            Just(""),
            Just(";a"),
            Just(" ; a = b;c=\"d\\\"\t;\""),
            Just(";\te=1")
        ];
        let trailer = prop_oneof![2 => Just(""), 1 => Just("X-Sum: 1\r\nY:\r\n")];
        let chunks = (sizes, extension, trailer, any::<bool>());
        let chunks = chunks.prop_map(|(sizes, extension, trailer, upper)| {
            Self::Chunked(Chunks {
                sizes,
                extension: extension.to_owned(),
                trailer: trailer.to_owned(),
                upper,
            })
        });
        prop_oneof![Just(Self::Sized), chunks]
    }

    /// The bytes of a POST.
    pub(crate) fn request(&self, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
        let Self::Chunked(chunks) = self else {
            return request(path, content_type, body);
        };
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: ringest\r\nContent-Type: {content_type}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        chunks.encode(body, &mut bytes);
        bytes
    }
}

impl Chunks {
    fn encode(&self, mut body: &[u8], bytes: &mut Vec<u8>) {
        let mut extension = self.extension.as_str();
        for size in self.sizes.iter().cycle() {
            let chunk;
            (chunk, body) = body.split_at(body.len().min(*size));
            let size = chunk.len();
            let size = if self.upper {
                format!("{size:04X}")
            } else {
                format!("{size:x}")
            };
            bytes.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
            extension = "";
            if chunk.is_empty() {
                break;
            }
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(self.trailer.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}

impl Pieces {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let pause = prop::bool::weighted(0.3);
        prop_oneof![
            4 => vec((any::<Index>(), pause), 0..8).prop_map(Self::At),
            1 => (1..64_usize).prop_map(Self::Every),
        ]
    }

    /// Writes all of `bytes`.
    pub(crate) fn send(&self, http: &mut Http, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::At(cuts) => {
                let mut cuts: Vec<_> = cuts
                    .iter()
                    .map(|(index, pause)| (index.index(bytes.len()), *pause))
                    .collect();
                cuts.sort_unstable();
                let mut from = 0;
                for (cut, pause) in cuts {
                    http.send(&bytes[from..cut])?;
                    from = cut;
                    if pause {
                        thread::sleep(PAUSE);
                    }
                }
                http.send(&bytes[from..])
            }
            Self::Every(size) => {
                const PIECES_MAX: usize = 300;
                http.send_in_parts(bytes.chunks((*size).max(bytes.len() / PIECES_MAX)))
            }
        }
    }
}
