//! What a model declares about its records' fields, in its own file or in a JSON Schema.

use std::path::Path;

use toml::de::DeValue;

use super::{Declared, Key, Reader, Written};
use crate::{
    document::nearest,
    model::{Field, Type, UnknownFields, json_schema},
};

/// Keys that a field may have when it is more than a type.
const FIELD_KEYS: [&str; 2] = ["type", "default"];

impl<'a> Reader<'a> {
    pub(super) fn declared(&mut self) -> Declared {
        let choices = [
            ("forward", UnknownFields::Forward),
            ("reject", UnknownFields::Reject),
        ];
        let unknown_fields = self.choice("unknown_fields", choices);
        let before = self.errors.len();
        let (fields, unknown_fields) = if self.tree.contains_key("fields_from") {
            self.refuse_beside_schema();
            self.json_schema().unzip()
        } else {
            let fields = self.fields();
            if unknown_fields == Some(UnknownFields::Reject) && fields.is_none() {
                self.refuse_without_fields();
            }
            (fields, unknown_fields)
        };
        Declared {
            fields: fields.filter(|_| self.errors.len() == before),
            unknown_fields: unknown_fields.unwrap_or_default(),
        }
    }

    /// A JSON Schema says itself what its fields are, and what becomes of others.
    fn refuse_beside_schema(&mut self) {
        for (name, instead) in [
            ("fields", "\"properties\""),
            ("unknown_fields", "\"additionalProperties\""),
        ] {
            if let Some((key, _)) = self.tree.get_key_value(name) {
                let message = format!("not allowed beside fields_from: the schema has {instead}");
                self.fail(self.origin(key), name, message);
            }
        }
    }

    fn refuse_without_fields(&mut self) {
        const KEY: &str = "unknown_fields";
        let is_declared = self.tree.contains_key("fields");
        if let Some((key, value)) = self.tree.get_key_value(KEY).filter(|_| !is_declared) {
            let allowed = "without [fields] every field is unknown";
            self.refuse(KEY, key, value, allowed);
        }
    }

    /// The fields of a JSON Schema, and what becomes of others. Its path is relative to this file.
    fn json_schema(&mut self) -> Option<(Vec<Field>, UnknownFields)> {
        const KEY: &str = "fields_from";
        let allowed = "the path of a JSON Schema, such as \"schema.json\"";
        let relative = self.text(KEY, allowed, |path| !path.is_empty())?;
        let directory = Path::new(self.document.path).parent();
        let path = directory.unwrap_or(Path::new("")).join(relative);
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => json_schema::fields(&shown, &text, &mut self.errors),
            Err(error) => {
                let (key, _) = self.tree.get_key_value(KEY)?;
                self.fail(self.origin(key), KEY, format!("{shown}: {error}"));
                None
            }
        }
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let (key, value) = self.tree.get_key_value("fields")?;
        let DeValue::Table(table) = value.get_ref() else {
            let message = "not allowed: this is a section, [fields]".to_owned();
            self.fail(self.origin(key), "fields", message);
            return None;
        };
        // A table is sorted by name; a person's order is that of the file.
        let mut declared: Vec<_> = table.iter().collect();
        declared.sort_by_key(|(key, _)| key.span().start);
        let fields = declared
            .into_iter()
            .filter_map(|(key, value)| self.field(key, value));
        Some(fields.collect())
    }

    fn field(&mut self, key: &'a Key<'a>, value: &'a Written<'a>) -> Option<Field> {
        let name = key.get_ref().to_string();
        let path = format!("fields.{name}");
        if name.is_empty() {
            self.fail(self.origin(key), &path, "an empty name".to_owned());
        }
        let (written, has_default) = match value.get_ref() {
            DeValue::Table(table) => (table.get("type"), table.contains_key("default")),
            _ => (Some(value), false),
        };
        let Some(text) = written.and_then(|it| it.get_ref().as_str()) else {
            self.refuse_field(&path, key, value);
            return None;
        };
        if let DeValue::Table(table) = value.get_ref() {
            self.refuse_unknown(&format!("{path}."), table, &FIELD_KEYS);
        }
        match Type::parse(text) {
            Ok(type_) => Some(Field::declared(name, type_, has_default)),
            Err(error) => {
                self.fail(self.origin(key), &path, error.to_string());
                None
            }
        }
    }

    /// A key without a type: what its value may be, or what went wrong with a table's keys.
    fn refuse_field(&mut self, path: &str, key: &Key<'_>, value: &Written<'_>) {
        let allowed = "a type such as \"String\", or { type = \"…\", default = … }";
        let keys = match value.get_ref() {
            DeValue::Table(table) if !table.contains_key("type") => table.iter().next(),
            _ => None,
        };
        match keys {
            Some((inner, _)) if nearest(inner.get_ref(), FIELD_KEYS.into_iter()).is_none() => {
                let message = format!(
                    "not a type: {allowed}; a name with a dot is quoted: \"{}.{}\"",
                    key.get_ref(),
                    inner.get_ref()
                );
                self.fail(self.origin(inner), path, message);
            }
            _ => {
                if let DeValue::Table(table) = value.get_ref() {
                    self.refuse_unknown(&format!("{path}."), table, &FIELD_KEYS);
                }
                self.refuse(path, key, value, allowed);
            }
        }
    }
}
