//! simd-json's tape and structural offsets, walked in step.
//!
//! simd-json's second stage turns the structural offsets (each `{ } [ ] : ,` outside strings and the
//! first byte of each string, number and literal) into a tape of nodes (each container, key and
//! scalar, in document order). Each node is followed by exactly one separator or closing bracket,
//! which for the last child of a container is the container's own; an empty container adds its
//! closing bracket. So a value of `n` nodes, `e` of them empty containers, spans exactly
//! `2 n + e - 1` offsets: the two can be walked together, whole elements at a time, without scanning
//! strings again. Likewise, the first byte of the node with index `i` of a value is at structural offset
//! `2 i - d + e`, where `d` containers enclose it and `e` empty ones precede it.

use std::mem;

use simd_json::{Buffers, INPUT_PADDING, Node, StaticNode, Tape, fill_tape_padded};

use super::{Span, lines};

/// The text is not JSON, or is nested too deep.
pub(super) struct ParseFailed;

/// simd-json with its scratch buffers.
pub(super) struct JsonParser {
    depth_max: usize,
    buffers: Buffers,
    /// Empty between calls; only the allocation is kept.
    tape: Tape<'static>,
    /// The text, padded; simd-json writes to it.
    copy: Vec<u8>,
    /// The most structural offsets of any text so far: bounds the capacity of simd-json's buffer for
    /// them, which is not exposed. An invalid text may have many and still leave the tape small.
    structurals_max: usize,
}

impl std::fmt::Debug for JsonParser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonParser").finish_non_exhaustive()
    }
}

impl JsonParser {
    /// `depth_max`: maximum nesting of arrays and objects.
    pub(super) fn new(depth_max: usize) -> Self {
        Self {
            depth_max,
            buffers: Buffers::with_max_depth(0, depth_max),
            tape: Tape(Vec::new()),
            copy: Vec::new(),
            structurals_max: 0,
        }
    }

    /// Parses `json`, which must have no surrounding whitespace, and passes its value to `read`.
    ///
    /// # Errors
    /// [`ParseFailed`], without a reason: simd-json's offset is exact for some errors and 0 for others.
    pub(super) fn parse<R>(
        &mut self,
        json: &[u8],
        read: impl FnOnce(&JsonValue<'_>) -> R,
    ) -> Result<R, ParseFailed> {
        self.copy(json);
        self.parse_copy(json, read)
    }

    /// Parses a part of an array: elements, with the separator or bracket before and after them. They are
    /// passed to `read` as an array, with offsets in `part`.
    ///
    /// # Errors
    /// [`ParseFailed`]: it is not a list of elements.
    pub(super) fn parse_elements<R>(
        &mut self,
        part: &[u8],
        read: impl FnOnce(&JsonValue<'_>) -> R,
    ) -> Result<R, ParseFailed> {
        let [_, .., _] = part else {
            return Err(ParseFailed);
        };
        self.copy(part);
        self.copy[0] = b'[';
        self.copy[part.len() - 1] = b']';
        self.parse_copy(part, read)
    }

    fn copy(&mut self, json: &[u8]) {
        self.copy.clear();
        self.copy.reserve(json.len() + INPUT_PADDING);
        self.copy.extend_from_slice(json);
        self.copy.extend_from_slice(&[b' '; INPUT_PADDING]);
    }

    /// Parses the copy of `json`.
    fn parse_copy<R>(
        &mut self,
        json: &[u8],
        read: impl FnOnce(&JsonValue<'_>) -> R,
    ) -> Result<R, ParseFailed> {
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = fill_tape_padded(&mut self.copy, json.len(), &mut self.buffers, &mut tape);
        let structurals = self.buffers.structural_indexes();
        self.structurals_max = self.structurals_max.max(structurals.len());
        let result = match parsed {
            Ok(()) => Ok(read(&JsonValue {
                json,
                nodes: &tape.0,
                structurals,
                end: json.len(),
            })),
            Err(_) => Err(ParseFailed),
        };
        self.tape = tape.reset();
        result
    }

    /// Drops scratch that grew beyond `retained_bytes_max`; a `Vec` never shrinks by itself.
    pub(super) fn release_outsized(&mut self, retained_bytes_max: usize) {
        let tape = self.tape.0.capacity() * size_of::<Node>();
        // A Vec doubles: its capacity is at most twice its maximum length.
        let structurals = self.structurals_max * 2 * size_of::<u32>();
        // simd-json reserves its string buffer by the length of the text, as we do for the copy.
        let copy_and_strings = 2 * self.copy.capacity();
        if tape + structurals + copy_and_strings > retained_bytes_max {
            *self = Self::new(self.depth_max);
        }
    }

    /// Maximum memory that parsing a text of `len` bytes takes, in bytes, after one that left so much.
    pub(super) const fn scratch_bytes_max(len: usize, retained_bytes_max: usize) -> usize {
        // Each byte can be structural. Offsets are counted with the doubling of their Vec and the copy
        // made while growing; the tape grows at once to the required size, or to twice what was kept.
        let worst_byte = size_of::<Node>() + 3 * size_of::<u32>() + 2;
        len.saturating_mul(worst_byte)
            .saturating_add(2 * retained_bytes_max)
    }

    /// How much of it is ever touched, and so resident.
    pub(super) const fn resident_bytes_max(len: usize, retained_bytes_max: usize) -> usize {
        // A separator follows each value, so that half of the tape stays unused. A Vec that grows has as much
        // again as the one that is copied to it.
        let worst_byte = size_of::<Node>() / 2 + 2 * size_of::<u32>() + 2;
        len.saturating_mul(worst_byte)
            .saturating_add(retained_bytes_max)
    }
}

/// A value of a parsed JSON text.
#[derive(Clone, Copy)]
pub(super) struct JsonValue<'a> {
    /// The text as received; the strings of the nodes are those of the unescaped copy.
    json: &'a [u8],
    /// The node of the value, then those of its descendants.
    nodes: &'a [Node<'a>],
    /// The offsets in `json` of the value's structural characters, starting with its first byte.
    structurals: &'a [u32],
    /// The offset of the separator or bracket after the value, or the length of `json`.
    end: usize,
}

impl<'a> JsonValue<'a> {
    /// The span of the value in a body in which the text starts at offset `base`.
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

    /// The bytes of the value as received.
    pub(super) fn text(&self) -> &'a [u8] {
        self.span(0).of(self.json)
    }

    /// Its JSON type with an article, for messages.
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

    /// The node of the value, then those of its descendants, in document order.
    pub(super) fn nodes(&self) -> &'a [Node<'a>] {
        self.nodes
    }

    /// A cursor that maps the nodes to their bytes.
    pub(super) fn cursor(&self) -> NodeCursor<'a> {
        NodeCursor {
            json: self.json,
            nodes: self.nodes,
            structurals: self.structurals,
            at: 0,
            empty: 0,
        }
    }

    /// Whether the value is an object.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.nodes[0], Node::Object { .. })
    }

    /// The elements of an array; `None` if the value is not an array.
    pub(super) fn elements(&self) -> Option<Elements<'a>> {
        let Node::Array { len, .. } = self.nodes[0] else {
            return None;
        };
        Some(Elements {
            json: self.json,
            remaining: len,
            nodes: &self.nodes[1..],
            structurals: &self.structurals[1..],
            has_empty: self.structurals.len() != 2 * self.nodes.len() - 1,
        })
    }
}

/// Iterates over the elements of an array.
pub(super) struct Elements<'a> {
    json: &'a [u8],
    remaining: usize,
    nodes: &'a [Node<'a>],
    structurals: &'a [u32],
    /// Whether the array contains any empty container.
    has_empty: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = JsonValue<'a>;

    fn next(&mut self) -> Option<JsonValue<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let (nodes, nodes_rest) = self.nodes.split_at(match self.nodes[0] {
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            Node::String(_) | Node::Static(_) => 1,
        });
        let empty = if self.has_empty {
            empty_containers(nodes)
        } else {
            0
        };
        let (structurals, follower_on) = self.structurals.split_at(2 * nodes.len() + empty - 1);
        let (follower, structurals_rest) = (follower_on[0], &follower_on[1..]);
        self.nodes = nodes_rest;
        self.structurals = structurals_rest;
        Some(JsonValue {
            json: self.json,
            nodes,
            structurals,
            end: follower as usize,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// Maps the nodes of a value to their bytes. It remembers its position, so that queries in document
/// order visit each node once.
pub(super) struct NodeCursor<'a> {
    json: &'a [u8],
    nodes: &'a [Node<'a>],
    structurals: &'a [u32],
    /// Index of the node of the last query.
    at: usize,
    /// The number of empty containers before that node.
    empty: usize,
}

impl<'a> NodeCursor<'a> {
    /// The offset in the text of the node at `at`, which is enclosed by `depth` containers of the value.
    pub(super) fn offset(&mut self, at: usize, depth: usize) -> usize {
        self.structurals[self.structural(at, depth)] as usize
    }

    /// The bytes of a number, `true`, `false` or `null` as received.
    pub(super) fn number(&mut self, at: usize, depth: usize) -> &'a [u8] {
        let structural = self.structural(at, depth);
        let start = self.structurals[structural] as usize;
        // In a container, a separator or the closing bracket follows.
        let end = self.structurals[structural + 1] as usize;
        lines::trim(self.json, start, end).of(self.json)
    }

    /// The index of the node in the structural offsets: each preceding node has its own offset and, unless
    /// it is still open, the one of its follower; an empty container also has its closing bracket.
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
