//! The declared fields of a model, in its own file or in a JSON Schema.

use std::{io, path::Path};

use super::{Declared, Reader};
use crate::{
    document::{ConfigError, Setting, nearest, read_text},
    model::{Field, Type, UnknownFields, files::FILE_BYTES_MAX, json_schema},
};

/// Keys that a field may have when it is more than a type.
const FIELD_KEYS: [&str; 2] = ["type", "default"];

impl Reader<'_> {
    pub(super) fn declared(&mut self) -> Declared {
        let choices = [
            ("forward", UnknownFields::Forward),
            ("reject", UnknownFields::Reject),
        ];
        let unknown_fields = self.choice("unknown_fields", choices);
        let before = self.errors.len();
        let (fields, unknown_fields) = if self.tree.get("fields_from").is_some() {
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

    /// A JSON Schema declares its own fields and the policy for others.
    fn refuse_beside_schema(&mut self) {
        for (name, instead) in [
            ("fields", "\"properties\""),
            ("unknown_fields", "\"additionalProperties\""),
        ] {
            if let Some(setting) = self.tree.get(name) {
                let message = format!(
                    "not allowed together with fields_from: the schema uses \
                    {instead}"
                );
                self.fail(setting, message);
            }
        }
    }

    fn refuse_without_fields(&mut self) {
        let is_declared = self.tree.get("fields").is_some();
        let setting = self.tree.get("unknown_fields").filter(|_| !is_declared);
        if let Some(setting) = setting {
            self.refuse(setting, "without [fields] every field is unknown");
        }
    }

    /// The fields of a JSON Schema, and the policy for others. Its path is relative to this file.
    fn json_schema(&mut self) -> Option<(Vec<Field>, UnknownFields)> {
        const KEY: &str = "fields_from";
        let allowed = "the path of a JSON Schema, such as \"schema.json\"";
        let relative = self.text(KEY, allowed, |path| !path.is_empty())?;
        let directory = Path::new(self.document.path).parent();
        let path = directory.unwrap_or(Path::new("")).join(relative);
        let shown = path.display().to_string();
        match read_text(&path, FILE_BYTES_MAX) {
            Ok(text) => json_schema::fields(&shown, &text, &mut self.errors),
            Err(error) => {
                let (setting, error) = (self.tree.get(KEY)?, io::Error::from(error));
                self.fail(setting, format!("{shown}: {error}"));
                None
            }
        }
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let setting = self.tree.get("fields")?;
        if !setting.is_table() {
            self.fail(setting, "not allowed: this is a section, [fields]");
            return None;
        }
        let fields = setting.inner.iter().filter_map(|it| self.field(it));
        Some(fields.collect())
    }

    fn field(&mut self, field: &Setting) -> Option<Field> {
        let name = field.name.clone();
        if name.is_empty() {
            self.fail(field, "an empty name");
        }
        let (type_, has_default) = if field.is_table() {
            (field.get("type"), field.get("default").is_some())
        } else {
            (Some(field), false)
        };
        let Some(text) = type_.and_then(|it| it.value.text()) else {
            self.refuse_field(field);
            return None;
        };
        self.errors.extend(unknown_keys(field));
        match Type::parse(text) {
            Ok(type_) => Some(Field::declared(name, type_, has_default)),
            Err(error) => {
                self.fail(field, error.to_string());
                None
            }
        }
    }

    /// Reports a field without a type, or the invalid keys of its table.
    fn refuse_field(&mut self, field: &Setting) {
        let allowed = "a type such as \"String\", or { type = \"…\", default = … }";
        let inner = field.inner.first();
        let inner = inner.filter(|_| field.is_table() && field.get("type").is_none());
        match inner {
            Some(inner) if nearest(&inner.name, FIELD_KEYS.into_iter()).is_none() => {
                let message = format!(
                    "not a type: {allowed}; a name with a dot is quoted: \"{}.{}\"",
                    field.name, inner.name
                );
                self.errors.push(ConfigError {
                    origin: inner.origin.clone(),
                    ..field.error(message)
                });
            }
            _ => {
                self.errors.extend(unknown_keys(field));
                self.refuse(field, allowed);
            }
        }
    }
}

/// Errors about unknown keys of a field.
fn unknown_keys(field: &Setting) -> Vec<ConfigError> {
    field.unknown_keys(&FIELD_KEYS)
}
