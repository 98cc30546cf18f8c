//! Values with parts: objects and arrays.

use super::{
    Field, Keywords, Kind, Node, Object, Reader, Type, UnknownFields, any,
    node::{Value, escaped},
    part,
};
use crate::document::nearest;

impl<'d> Reader<'d> {
    /// `"type": "object"`: one with properties, or a map.
    pub(super) fn object(&mut self, mut keywords: Keywords<'d>, depth: usize) -> Option<Type> {
        let properties = keywords.take("properties");
        let required = keywords.take("required");
        let others = keywords.take("additionalProperties");
        self.refuse_rest(&keywords, "\"type\": \"object\"");
        let at = keywords.at("additionalProperties");
        let unknown_fields = match others.map(|node| (node, node.value())) {
            None | Some((_, Value::Bool(true))) => UnknownFields::Forward,
            Some((_, Value::Bool(false))) => UnknownFields::Reject,
            Some((_, Value::Object(members))) if members.is_empty() => UnknownFields::Forward,
            Some((node, _)) if properties.or(required).is_some() => {
                let allowed = "true or false: a schema is not supported together with \
                    \"properties\"";
                self.refuse(node, &at, allowed);
                return None;
            }
            Some((node, _)) => return self.map(node, &at, depth),
        };
        let fields = match properties {
            Some(node) => self.properties(node, &keywords.at("properties"), depth)?,
            None => Vec::new(),
        };
        let fields = match required {
            Some(node) => self.required(fields, node, &keywords.at("required"))?,
            None => fields,
        };
        let unknown_fields = Some(unknown_fields);
        Some(Type {
            kind: Kind::Object(Object {
                fields,
                unknown_fields,
            }),
            text: "object".to_owned(),
        })
    }

    /// An object of values of one type.
    fn map(&mut self, node: Node<'d>, at: &str, depth: usize) -> Option<Type> {
        let value = self.schema(node, at, depth + 1)?;
        let key = Type {
            kind: Kind::String,
            text: "string".to_owned(),
        };
        Some(Type {
            text: format!("object of {}", part(&value)),
            kind: Kind::Map(Box::new(key), Box::new(value)),
        })
    }

    /// Fields that a record may leave out, as properties are until they are required.
    fn properties(&mut self, node: Node<'d>, at: &str, depth: usize) -> Option<Vec<Field>> {
        let Value::Object(members) = node.value() else {
            self.refuse(node, at, "an object of schemas");
            return None;
        };
        // All of them, for all that is wrong.
        let fields: Vec<_> = members
            .into_iter()
            .map(|(name, node)| {
                let at = format!("{at}/{}", escaped(&name));
                if name.is_empty() {
                    self.fail(node, &at, "an empty name");
                }
                Some(Field {
                    type_: self.schema(node, &at, depth + 1)?,
                    name,
                    may_be_absent: true,
                })
            })
            .collect();
        fields.into_iter().collect()
    }

    fn required(&mut self, mut fields: Vec<Field>, node: Node<'d>, at: &str) -> Option<Vec<Field>> {
        let Some(names) = node.strings() else {
            self.refuse(node, at, "an array of names, each once");
            return None;
        };
        for name in names {
            if let Some(field) = fields.iter_mut().find(|field| field.name == name) {
                field.may_be_absent = false;
                continue;
            }
            let meant = nearest(&name, fields.iter().map(|field| field.name.as_str()));
            let meant = meant.map_or_else(String::new, |it| format!("; did you mean {it:?}?"));
            let message = format!("{name:?} is not among the properties{meant}");
            self.fail(node, at, &message);
        }
        Some(fields)
    }

    /// `"type": "array"`: elements of one type, or a tuple.
    pub(super) fn array(&mut self, mut keywords: Keywords<'d>, depth: usize) -> Option<Type> {
        let items = keywords.take("items");
        if let Some(prefix) = keywords.take("prefixItems") {
            return self.tuple(keywords, prefix, items, depth);
        }
        self.refuse_rest(&keywords, "\"type\": \"array\"");
        let element = match items {
            Some(node) => self.schema(node, &keywords.at("items"), depth + 1)?,
            None => any(),
        };
        let text = match element.kind {
            Kind::Any => "array".to_owned(),
            _ => format!("array of {}", part(&element)),
        };
        let kind = Kind::Array(Box::new(element));
        Some(Type { kind, text })
    }

    /// `"prefixItems"` with `"items": false`.
    fn tuple(
        &mut self,
        mut keywords: Keywords<'d>,
        prefix: Node<'d>,
        items: Option<Node<'d>>,
        depth: usize,
    ) -> Option<Type> {
        let at = keywords.at("prefixItems");
        let least = keywords.take("minItems");
        self.refuse_rest(&keywords, "\"prefixItems\"");
        if !matches!(items.map(Node::value), Some(Value::Bool(false))) {
            self.fail(prefix, &at, "only together with \"items\": false");
        }
        let nodes = match prefix.value() {
            Value::Array(nodes) if !nodes.is_empty() => nodes,
            _ => {
                self.refuse(prefix, &at, "an array of schemas, at least one");
                return None;
            }
        };
        let length = i128::try_from(nodes.len()).ok();
        if let Some(node) = least.filter(|node| node.whole_number() != length) {
            let allowed = format!("{}, the number of \"prefixItems\"", nodes.len());
            self.refuse(node, &keywords.at("minItems"), &allowed);
        }
        let elements: Vec<_> = nodes
            .into_iter()
            .enumerate()
            .map(|(index, node)| self.schema(node, &format!("{at}/{index}"), depth + 1))
            .collect();
        let elements: Vec<Type> = elements.into_iter().collect::<Option<_>>()?;
        let texts: Vec<_> = elements.iter().map(|it| it.text.as_str()).collect();
        Some(Type {
            text: format!("array ({})", texts.join(", ")),
            kind: Kind::Tuple(elements),
        })
    }
}
