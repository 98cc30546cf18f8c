//! JSON Schema (draft 2020-12), its structural part: the same fields and types as of a model's own
//! file, numbers being JSON numbers only.
//!
//! What cannot be validated is an error, never ignored; only annotations are. Formats are validated
//! as the types of the same name are (`date-time` as `DateTime`).
//!
//! There is one difference to the standard: an array of `prefixItems` with
//! `items: false` must be complete.

mod annotations;
mod keywords;
mod node;
mod scalars;
#[cfg(test)]
mod tests;
mod values;

use keywords::Keywords;
use node::{Node, Value};

use super::{Field, Kind, Object, Type, UnknownFields};
use crate::document::{ConfigError, Document};

/// Types that one schema may have in all: references multiply them.
const TYPES_MAX: usize = 10_000;

/// The one dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The fields of the records that a schema describes, and the policy for others. `path` is the
/// schema's, as shown in errors; errors are added to `errors`.
pub(super) fn fields(
    path: &str,
    text: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<(Vec<Field>, UnknownFields)> {
    let mut reader = Reader {
        document: Document { path, text },
        definitions: Vec::new(),
        references: Vec::new(),
        types: 0,
        errors: Vec::new(),
    };
    let fields = reader.root();
    let good = reader.errors.is_empty();
    errors.append(&mut reader.errors);
    fields.filter(|_| good)
}

struct Reader<'d> {
    document: Document<'d>,
    /// `$defs` of the root.
    definitions: Vec<(String, Node<'d>)>,
    /// Names of the definitions that are being read.
    references: Vec<String>,
    /// Types so far.
    types: usize,
    errors: Vec<ConfigError>,
}

impl<'d> Reader<'d> {
    /// Reports an error at a JSON pointer, once even if it is referenced twice.
    fn fail(&mut self, node: Node<'d>, pointer: &str, message: &str) {
        let error = ConfigError {
            origin: self.document.origin(&node.span(self.document.text)),
            key: pointer.to_owned(),
            message: message.to_owned(),
        };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// [`Self::fail`], with the value that is not allowed.
    fn refuse(&mut self, node: Node<'d>, pointer: &str, allowed: &str) {
        /// Characters of the value that are shown.
        const SHOWN: usize = 64;
        let mut given: String = node.text().chars().take(SHOWN).collect();
        if given.len() < node.text().len() {
            given.push('…');
        }
        let given = given.replace(char::is_control, " ");
        self.fail(node, pointer, &format!("{given} is not allowed: {allowed}"));
    }

    fn root(&mut self) -> Option<(Vec<Field>, UnknownFields)> {
        let root = match Node::document(self.document.text) {
            Ok(root) => root,
            Err((span, message)) => {
                self.errors.push(ConfigError {
                    origin: self.document.origin(&span),
                    key: String::new(),
                    message: format!("not valid JSON: {message}"),
                });
                return None;
            }
        };
        if let Value::Object(members) = root.value() {
            for (name, node) in members {
                match (name.as_str(), node.value()) {
                    ("$defs", Value::Object(definitions)) => self.definitions = definitions,
                    ("$defs", _) => self.refuse(node, "#/$defs", "an object of schemas"),
                    ("$schema", Value::String(dialect))
                        if dialect.trim_end_matches('#') == DIALECT => {}
                    ("$schema", _) => self.refuse(node, "#/$schema", &format!("{DIALECT:?}")),
                    _ => {}
                }
            }
        }
        let found = self.schema(root, "#", 0)?;
        if let Kind::Object(object) = found.kind {
            return Some((object.fields, object.unknown_fields.unwrap_or_default()));
        }
        let message = format!(
            "a record is an object with \"properties\", this is: {}",
            found.text
        );
        self.fail(root, "#", &message);
        None
    }

    /// One schema; `depth` counts the types around it.
    fn schema(&mut self, node: Node<'d>, pointer: &str, depth: usize) -> Option<Type> {
        if depth >= Type::DEPTH_MAX {
            let message = format!("more than {} nested types", Type::DEPTH_MAX);
            self.fail(node, pointer, &message);
            return None;
        }
        self.types += 1;
        if self.types > TYPES_MAX {
            if self.types == TYPES_MAX + 1 {
                let message = format!("more than {TYPES_MAX} types, references followed");
                self.fail(node, pointer, &message);
            }
            return None;
        }
        match node.value() {
            Value::Bool(true) => Some(any()),
            Value::Object(members) => self.dispatch(Keywords::new(node, pointer, members), depth),
            _ => {
                self.refuse(node, pointer, "a schema is an object, or true");
                None
            }
        }
    }

    /// By the keyword that decides what else there may be.
    fn dispatch(&mut self, mut keywords: Keywords<'d>, depth: usize) -> Option<Type> {
        let Keywords { node, .. } = keywords;
        if let Some(target) = keywords.take("$ref") {
            self.refuse_rest(&keywords, "\"$ref\"");
            return self.reference(target, &keywords.at("$ref"), depth);
        }
        for name in ["anyOf", "oneOf"] {
            if let Some(choices) = keywords.take(name) {
                self.refuse_rest(&keywords, &format!("{name:?}"));
                return self.or_null(choices, &keywords.at(name), depth);
            }
        }
        if keywords.has("enum") || keywords.has("const") {
            return self.literals(keywords);
        }
        let Some(names) = keywords.take("type") else {
            if keywords.is_empty() {
                return Some(any());
            }
            let message = "\"type\" is missing: without it these keywords are about some of all \
                           JSON values only";
            self.fail(node, &keywords.pointer, message);
            return None;
        };
        let at = keywords.at("type");
        let (name, is_nullable) = self.type_names(names, &at)?;
        let depth = depth + usize::from(is_nullable);
        let found = match name.as_str() {
            "string" => self.string(keywords),
            "integer" => self.integer(keywords),
            "number" => Some(self.plain(&keywords, "number", Kind::Number)),
            "boolean" => Some(self.plain(&keywords, "boolean", Kind::Bool)),
            "object" => self.object(keywords, depth),
            "array" => self.array(keywords, depth),
            _ => {
                let allowed = "\"string\", \"integer\", \"number\", \"boolean\", \"object\" or \
                               \"array\", or one of them and \"null\"";
                self.refuse(names, &at, allowed);
                None
            }
        }?;
        Some(if is_nullable { nullable(found) } else { found })
    }

    /// The one name of a type, and whether null is beside it.
    fn type_names(&mut self, node: Node<'d>, at: &str) -> Option<(String, bool)> {
        let names = match node.value() {
            Value::String(name) => return Some((name, false)),
            Value::Array(names) => names.into_iter().map(Node::string).collect(),
            _ => None,
        };
        let mut names: Vec<String> = names.unwrap_or_default();
        let all = names.len();
        names.retain(|name| name != "null");
        match (names.pop(), all) {
            (Some(name), 1) => Some((name, false)),
            (Some(name), 2) if names.is_empty() => Some((name, true)),
            _ => {
                let allowed = "the name of a type, or one and \"null\"";
                self.refuse(node, at, allowed);
                None
            }
        }
    }

    /// `#/$defs/NAME`.
    fn reference(&mut self, node: Node<'d>, at: &str, depth: usize) -> Option<Type> {
        let reference = node.string().unwrap_or_default();
        let name = reference.strip_prefix("#/$defs/").and_then(node::unescaped);
        let Some(name) = name.filter(|it| !it.is_empty()) else {
            self.refuse(node, at, "only \"#/$defs/NAME\" of the same document");
            return None;
        };
        let target = self.definitions.iter().find(|(known, _)| *known == name);
        let Some((_, target)) = target else {
            self.refuse(node, at, "no such definition in \"$defs\"");
            return None;
        };
        let target = *target;
        if self.references.contains(&name) {
            let message = format!(
                "{name:?} is recursive, through {}: records of unbounded depth cannot be validated",
                self.references.join(" and ")
            );
            self.fail(node, at, &message);
            return None;
        }
        let pointer = format!("#/$defs/{}", node::escaped(&name));
        self.references.push(name);
        let found = self.schema(target, &pointer, depth);
        self.references.pop();
        found
    }

    /// One schema and null.
    fn or_null(&mut self, node: Node<'d>, at: &str, depth: usize) -> Option<Type> {
        let choices = match node.value() {
            Value::Array(choices) => choices,
            _ => Vec::new(),
        };
        let (nulls, others): (Vec<_>, Vec<_>) = choices
            .into_iter()
            .enumerate()
            .partition(|(_, choice)| choice.is_null_schema());
        let ([_], [(index, other)]) = (&nulls[..], &others[..]) else {
            let allowed = "only one schema and { \"type\": \"null\" }";
            self.refuse(node, at, allowed);
            return None;
        };
        let found = self.schema(*other, &format!("{at}/{index}"), depth + 1)?;
        if matches!(found.kind, Kind::Nullable(_) | Kind::Any) {
            self.refuse(*other, &format!("{at}/{index}"), "it already accepts null");
            return None;
        }
        Some(nullable(found))
    }

    /// A type that no other keyword is beside.
    fn plain(&mut self, keywords: &Keywords<'d>, name: &str, kind: Kind) -> Type {
        self.refuse_rest(keywords, &format!("\"type\": {name:?}"));
        let text = name.to_owned();
        Type { kind, text }
    }
}

fn any() -> Type {
    Type {
        kind: Kind::Any,
        text: "any JSON value".to_owned(),
    }
}

fn nullable(inner: Type) -> Type {
    Type {
        text: format!("{} or null", inner.text),
        kind: Kind::Nullable(Box::new(inner)),
    }
}

/// A type's text as a part of another one's.
fn part(inner: &Type) -> String {
    match inner.kind {
        Kind::Nullable(_) | Kind::Literals(_) => format!("({})", inner.text),
        _ => inner.text.clone(),
    }
}
