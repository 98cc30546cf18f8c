//! A schema's keywords: each is evaluated, or an annotation, or an error.

use super::{
    Reader,
    annotations::{ANNOTATIONS, is_annotation},
    node::{Node, escaped},
};
use crate::document::nearest;

/// Keywords of the root that do not describe its values: evaluated there, or annotations.
const OF_THE_ROOT: [&str; 3] = ["$schema", "$id", "$defs"];

/// Keywords that are supported, at least in some schemas.
const SUPPORTED: [&str; 17] = [
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

/// The keywords of one schema that are not evaluated yet.
pub(super) struct Keywords<'d> {
    /// The schema.
    pub(super) node: Node<'d>,
    /// The pointer to it.
    pub(super) pointer: String,
    left: Vec<(String, Node<'d>)>,
}

impl<'d> Keywords<'d> {
    /// All of a schema, without annotations.
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

    /// Takes out the value of a keyword, to evaluate it.
    pub(super) fn take(&mut self, name: &str) -> Option<Node<'d>> {
        let index = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.remove(index).1)
    }

    /// Whether a keyword is present.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(known, _)| known == name)
    }

    /// Whether all are evaluated.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The pointer to a keyword.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escaped(name))
    }
}

impl<'d> Reader<'d> {
    /// Records an error for each keyword that is not evaluated; `beside` is the one that was.
    pub(super) fn refuse_rest(&mut self, keywords: &Keywords<'d>, beside: &str) {
        for (name, node) in &keywords.left {
            let name = name.as_str();
            let known = || SUPPORTED.into_iter().chain(ANNOTATIONS);
            let message = if OF_THE_ROOT.contains(&name) {
                format!("{name:?} is supported at the root only")
            } else if SUPPORTED.contains(&name) {
                format!("{name:?} is not supported together with {beside}")
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
