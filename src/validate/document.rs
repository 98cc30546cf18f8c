//! simd-json's tape and structural offsets, read side by side.
//!
//! simd-json's second stage turns the structural offsets (each `{ } [ ] : ,` outside strings and the
//! first byte of each string, number and literal) into a tape of nodes (each container, key and
//! scalar, in the order of the text). A node is followed by exactly one separator or closing bracket,
//! which for the last child of a container is the container's own; an empty container brings its
//! closing bracket itself. So a value of `n` nodes, `e` of them empty containers, spans exactly
//! `2 n + e - 1` offsets: the two can be walked together, whole elements at a time, and no byte of a
//! string is looked at again. For the same reason the node at place `i` of a value has its first byte
//! at the structural offset `2 i - d + e`, with `d` containers open around it and `e` empty ones before.

use std::mem;

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape, fill_tape_padded};

use super::{Span, lines};

/// What a parser keeps between bodies at most, in bytes.
pub(super) const RETAINED_BYTES_MAX: usize = 12 << 20;

/// The text is not JSON, or nested too deep.
pub(super) struct Refused;

/// simd-json with its scratch.
pub(super) struct Parser {
    depth_max: usize,
    buffers: Buffers,
    /// Empty between calls: only its allocation is kept.
    tape: Tape<'static>,
    /// What simd-json may write to: the text and the padding behind it.
    copy: Vec<u8>,
    /// The most structural offsets that a text has had: bounds the capacity kept for them, which
    /// can't be asked for. A text that is refused may have many and leave the tape as it was.
    structurals_max: usize,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

impl Parser {
    /// `depth_max`: arrays and objects around one another.
    pub(super) fn new(depth_max: usize) -> Self {
        Self {
            depth_max,
            buffers: Buffers::with_max_depth(0, depth_max),
            tape: Tape(Vec::new()),
            copy: Vec::new(),
            structurals_max: 0,
        }
    }

    /// Parses `json`, which has no whitespace around it, and lets `read` look at its one value.
    ///
    /// # Errors
    /// [`Refused`] without a reason: simd-json's own offset is exact for some errors and 0 for others.
    pub(super) fn parse<R>(
        &mut self,
        json: &[u8],
        read: impl FnOnce(&Value<'_>) -> R,
    ) -> Result<R, Refused> {
        self.copy.clear();
        self.copy.reserve(json.len() + INPUT_PADDING);
        self.copy.extend_from_slice(json);
        self.copy.extend_from_slice(&[b' '; INPUT_PADDING]);
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = fill_tape_padded(&mut self.copy, json.len(), &mut self.buffers, &mut tape);
        let structurals = self.buffers.structural_indexes();
        self.structurals_max = self.structurals_max.max(structurals.len());
        let outcome = match parsed {
            Ok(()) => Ok(read(&Value {
                json,
                nodes: &tape.0,
                structurals,
                end: json.len(),
            })),
            Err(_) => Err(Refused),
        };
        self.tape = tape.reset();
        outcome
    }

    /// Drops scratch that grew beyond [`RETAINED_BYTES_MAX`]: Vecs never shrink by themselves.
    pub(super) fn release_outsized(&mut self) {
        let tape = self.tape.0.capacity() * size_of::<Node>();
        // A Vec doubles: at most twice what it ever had to hold.
        let structurals = self.structurals_max * 2 * size_of::<u32>();
        // simd-json's string buffer is reserved by the length of the text, as the copy is.
        let copy_and_strings = 2 * self.copy.capacity();
        if tape + structurals + copy_and_strings > RETAINED_BYTES_MAX {
            *self = Self::new(self.depth_max);
        }
    }

    /// The most memory that parsing a text of `len` bytes takes, in bytes.
    pub(super) const fn scratch_bytes_max(len: usize) -> usize {
        // Each byte can be structural. Offsets are counted with the doubling of their Vec and the
        // copy made on the way; the tape grows at once to what it needs, or to twice what was kept.
        let worst_byte = size_of::<Node>() + 3 * size_of::<u32>() + 2;
        len.saturating_mul(worst_byte)
            .saturating_add(2 * RETAINED_BYTES_MAX)
    }
}

/// One value of a parsed text.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// The whole text as the client sent it; the strings of the nodes are the unescaped copy's.
    json: &'a [u8],
    /// The value's own node, then those within it.
    nodes: &'a [Node<'a>],
    /// The offsets in `json` of the value's structural characters, the first that of its first byte.
    structurals: &'a [u32],
    /// The offset of the separator or bracket that follows the value, or the length of `json`.
    end: usize,
}

impl<'a> Value<'a> {
    /// The value, without the whitespace around it, in a body that has `base` bytes before the text.
    pub(super) fn span(&self, base: usize) -> Span {
        let start = self.structurals[0] as usize;
        let end = match self.nodes[0] {
            // Ends with a bracket, which is structural.
            Node::Object { .. } | Node::Array { .. } => {
                self.structurals[self.structurals.len() - 1] as usize + 1
            }
            Node::String(_) | Node::Static(_) => {
                start + lines::trim(self.json, start, self.end).len as usize
            }
        };
        Span::new(base + start, base + end)
    }

    /// The value's bytes as the client sent them.
    pub(super) fn text(&self) -> &'a [u8] {
        self.span(0).of(self.json)
    }

    /// What it is, with its article, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self.nodes[0] {
            Node::Object { .. } => "an object",
            Node::Array { .. } => "an array",
            Node::String(_) => "a string",
            Node::Static(StaticNode::Null) => "null",
            Node::Static(StaticNode::Bool(_)) => "a boolean",
            Node::Static(_) => "a number",
        }
    }

    /// The value's own node, then those within it, in the order of the text.
    pub(super) fn nodes(&self) -> &'a [Node<'a>] {
        self.nodes
    }

    /// Finds the bytes of the nodes.
    pub(super) fn cursor(&self) -> Cursor<'a> {
        Cursor {
            json: self.json,
            nodes: self.nodes,
            structurals: self.structurals,
            at: 0,
            empty: 0,
        }
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.nodes[0], Node::Object { .. })
    }

    /// An array's elements; `None` if it is no array.
    pub(super) fn elements(&self) -> Option<Elements<'a>> {
        let Node::Array { len, .. } = self.nodes[0] else {
            return None;
        };
        Some(Elements {
            json: self.json,
            left: len,
            nodes: &self.nodes[1..],
            structurals: &self.structurals[1..],
            has_empty: self.structurals.len() != 2 * self.nodes.len() - 1,
        })
    }
}

/// The elements of an array, first to last.
pub(super) struct Elements<'a> {
    json: &'a [u8],
    left: usize,
    nodes: &'a [Node<'a>],
    structurals: &'a [u32],
    /// Whether there is any empty container to be counted.
    has_empty: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (nodes, nodes_left) = self.nodes.split_at(match self.nodes[0] {
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            Node::String(_) | Node::Static(_) => 1,
        });
        let empty = if self.has_empty {
            empty_containers(nodes)
        } else {
            0
        };
        let (structurals, follower_on) = self.structurals.split_at(2 * nodes.len() + empty - 1);
        let (follower, structurals_left) = (follower_on[0], &follower_on[1..]);
        self.nodes = nodes_left;
        self.structurals = structurals_left;
        Some(Value {
            json: self.json,
            nodes,
            structurals,
            end: follower as usize,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// Finds the bytes of a value's nodes. It keeps its place: whoever asks for one node after the other
/// pays for each node once.
pub(super) struct Cursor<'a> {
    json: &'a [u8],
    nodes: &'a [Node<'a>],
    structurals: &'a [u32],
    /// The node that was last asked for.
    at: usize,
    /// Empty containers before that one.
    empty: usize,
}

impl<'a> Cursor<'a> {
    /// Bytes of the text before the node at `at`, which `depth` containers of the value are around.
    pub(super) fn offset(&mut self, at: usize, depth: usize) -> usize {
        self.structurals[self.structural(at, depth)] as usize
    }

    /// A number's bytes as the client sent them; so for `true`, `false` and `null`.
    pub(super) fn number(&mut self, at: usize, depth: usize) -> &'a [u8] {
        let structural = self.structural(at, depth);
        let start = self.structurals[structural] as usize;
        // A number within a container is followed by a separator or the closing bracket.
        let end = self.structurals[structural + 1] as usize;
        lines::trim(self.json, start, end).of(self.json)
    }

    /// Each node before has its own offset and, unless it is still open, that of what follows it; an
    /// empty container has its closing bracket besides.
    fn structural(&mut self, at: usize, depth: usize) -> usize {
        if self.structurals.len() != 2 * self.nodes.len() - 1 {
            if at < self.at {
                self.empty -= empty_containers(&self.nodes[at..self.at]);
            } else {
                self.empty += empty_containers(&self.nodes[self.at..at]);
            }
            self.at = at;
        }
        2 * at - depth + self.empty
    }
}

fn empty_containers(nodes: &[Node<'_>]) -> usize {
    use Node::{Array, Object};
    let is_empty = |node: &&Node<'_>| matches!(node, Object { len: 0, .. } | Array { len: 0, .. });
    nodes.iter().filter(is_empty).count()
}
