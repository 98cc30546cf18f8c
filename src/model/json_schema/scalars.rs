//! Values without parts: strings, enums, integers.

use super::{Keywords, Kind, Node, Reader, Type, node::Value, nullable};

/// Literals that are shown of an enum.
const SHOWN: usize = 8;

impl<'d> Reader<'d> {
    /// `"type": "string"`, of a format or of none.
    pub(super) fn string(&mut self, mut keywords: Keywords<'d>) -> Option<Type> {
        let format = keywords.take("format");
        self.refuse_rest(&keywords, "\"type\": \"string\"");
        let Some(format) = format else {
            return Some(Type {
                kind: Kind::String,
                text: "string".to_owned(),
            });
        };
        let name = format.string().unwrap_or_default();
        let kind = match name.as_str() {
            "date-time" => Kind::DateTime,
            "date" => Kind::Date,
            "uuid" => Kind::Uuid,
            "ipv4" => Kind::Ipv4,
            "ipv6" => Kind::Ipv6,
            _ => {
                let allowed = "\"date-time\", \"date\", \"uuid\", \"ipv4\" or \"ipv6\"";
                self.refuse(format, &keywords.at("format"), allowed);
                return None;
            }
        };
        let text = format!("string ({name})");
        Some(Type { kind, text })
    }

    /// `"enum"` or `"const"`, with or without `"type"`: strings, and null where both allow it.
    pub(super) fn literals(&mut self, mut keywords: Keywords<'d>) -> Option<Type> {
        let type_names = keywords.take("type");
        let (name, node) = match keywords.take("const") {
            Some(node) => ("const", node),
            None => ("enum", keywords.take("enum")?),
        };
        let at = keywords.at(name);
        self.refuse_rest(&keywords, &format!("{name:?}"));
        let values = match node.value() {
            Value::Array(values) if name == "enum" => values,
            _ if name == "const" => vec![node],
            _ => Vec::new(),
        };
        let has_null = values.iter().any(|it| matches!(it.value(), Value::Null));
        let texts = values
            .iter()
            .filter(|it| !matches!(it.value(), Value::Null));
        let texts: Option<Vec<String>> = texts.map(|it| it.string()).collect();
        let texts = texts.filter(|texts| {
            let distinct: std::collections::HashSet<_> = texts.iter().collect();
            !texts.is_empty() && distinct.len() == texts.len()
        });
        let Some(texts) = texts else {
            self.refuse(node, &at, "distinct strings, and null");
            return None;
        };
        let takes_null = match type_names {
            None => true,
            Some(names) => {
                let at = keywords.at("type");
                let (name, is_nullable) = self.type_names(names, &at)?;
                if name != "string" {
                    self.refuse(names, &at, "\"string\", for these are strings");
                    return None;
                }
                is_nullable
            }
        };
        let found = Type {
            text: listed(&texts),
            kind: Kind::Literals(texts),
        };
        Some(if has_null && takes_null {
            nullable(found)
        } else {
            found
        })
    }

    /// `"type": "integer"`, within bounds.
    pub(super) fn integer(&mut self, mut keywords: Keywords<'d>) -> Option<Type> {
        let mut bound = |reader: &mut Self, name: &str, beyond: i128| {
            let node = keywords.take(name)?;
            let number = reader.whole_number(node, &keywords.at(name))?;
            number.checked_add(beyond)
        };
        let minimum = bound(self, "minimum", 0).max(bound(self, "exclusiveMinimum", 1));
        let maximum = [
            bound(self, "maximum", 0),
            bound(self, "exclusiveMaximum", -1),
        ];
        let maximum = maximum.into_iter().flatten().min();
        self.refuse_rest(&keywords, "\"type\": \"integer\"");
        let text = match (minimum, maximum) {
            (None, None) => "integer".to_owned(),
            (Some(minimum), None) => format!("integer (at least {minimum})"),
            (None, Some(maximum)) => format!("integer (at most {maximum})"),
            (Some(minimum), Some(maximum)) if minimum <= maximum => {
                format!("integer ({minimum} to {maximum})")
            }
            (Some(minimum), Some(maximum)) => {
                let message = format!("minimum {minimum} is greater than maximum {maximum}");
                self.fail(keywords.node, &keywords.pointer, &message);
                return None;
            }
        };
        let kind = Kind::WholeNumber { minimum, maximum };
        Some(Type { kind, text })
    }

    fn whole_number(&mut self, node: Node<'d>, at: &str) -> Option<i128> {
        let number = node.whole_number();
        if number.is_none() {
            self.refuse(node, at, "a whole number");
        }
        number
    }
}

/// Literals as a person would list them.
fn listed(texts: &[String]) -> String {
    let quoted = texts.iter().map(|text| format!("{text:?}"));
    let mut quoted: Vec<_> = quoted.take(SHOWN).collect();
    if texts.len() > SHOWN {
        return format!("one of {} strings: {}, …", texts.len(), quoted.join(", "));
    }
    match quoted.pop() {
        Some(last) if !quoted.is_empty() => format!("{} or {last}", quoted.join(", ")),
        last => last.unwrap_or_default(),
    }
}
