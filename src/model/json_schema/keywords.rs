//! A schema's keywords: each is understood by someone, or an annotation, or an error.

use super::{
    Reader,
    node::{Node, escaped},
};
use crate::document::nearest;

/// Keywords that say nothing about values (JSON Schema core, section 8, validation, section 9).
const ANNOTATIONS: [&str; 8] = [
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords of the root that do not describe it: dealt with there, or an annotation.
const OF_THE_ROOT: [&str; 3] = ["$schema", "$id", "$defs"];

/// Keywords that are judged, in some place.
const JUDGED: [&str; 17] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "$ref",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
];

/// Whether a keyword says nothing about values.
pub(super) fn is_annotation(name: &str) -> bool {
    ANNOTATIONS.contains(&name)
}

/// The keywords of one schema that nobody has dealt with yet.
pub(super) struct Keywords<'d> {
    /// The schema.
    pub(super) node: Node<'d>,
    /// Where it is.
    pub(super) pointer: String,
    left: Vec<(String, Node<'d>)>,
}

impl<'d> Keywords<'d> {
    /// Those of a schema but for annotations.
    pub(super) fn new(node: Node<'d>, pointer: &str, members: Vec<(String, Node<'d>)>) -> Self {
        let mut left = members;
        let is_root = pointer == "#";
        left.retain(|(name, _)| {
            !(is_annotation(name) || is_root && OF_THE_ROOT.contains(&name.as_str()))
        });
        Self {
            node,
            pointer: pointer.to_owned(),
            left,
        }
    }

    /// The value of a keyword, which is dealt with hereby.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'d>> {
        let index = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.remove(index).1)
    }

    /// Whether a keyword is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(known, _)| known == name)
    }

    /// Whether all have been dealt with.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Where a keyword is.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escaped(name))
    }
}

impl<'d> Reader<'d> {
    /// Notes each keyword that nobody has dealt with; `beside` is the one that decided.
    pub(super) fn refuse_rest(&mut self, keywords: &Keywords<'d>, beside: &str) {
        for (name, node) in &keywords.left {
            let name = name.as_str();
            let known = || JUDGED.into_iter().chain(ANNOTATIONS);
            let message = if OF_THE_ROOT.contains(&name) {
                format!("{name:?} is supported at the root only")
            } else if JUDGED.contains(&name) {
                format!("{name:?} is not supported beside {beside}")
            } else {
                match nearest(name, known()) {
                    Some(meant) => {
                        format!("{name:?} is not supported; did you mean {meant:?}?")
                    }
                    None => format!("{name:?} is not supported"),
                }
            };
            self.fail(*node, &keywords.at(name), &message);
        }
    }
}
