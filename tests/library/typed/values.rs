//! Random values for a model: what it asks for, with a fault here and there.

use super::{choices::Choices, models, scalars};
use crate::reference::types::{Model, Type};

/// JSON before it is written down.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A number or a literal.
    Raw(String),
    /// A string, unescaped.
    Text(String),
    Array(Vec<Value>),
    /// Keys unescaped.
    Object(Vec<(String, Value)>),
}

/// Makes values by drawing from `choices`.
pub(crate) struct Maker<'m, 'c> {
    pub(crate) choices: &'m mut Choices<'c>,
    /// One in so many values is not as its type would have it; 0: none.
    pub(crate) fault_once_in: usize,
}

impl Maker<'_, '_> {
    fn is_faulty(&mut self) -> bool {
        self.choices.once_in(self.fault_once_in)
    }

    /// A record.
    pub(crate) fn record(&mut self, model: &Model) -> Value {
        if self.is_faulty() && self.choices.once_in(8) {
            return self.anything(1);
        }
        let fields = model.fields.iter();
        let fields: Vec<_> = fields
            .map(|it| {
                let is_optional = it.has_default || matches!(it.type_, Type::Nullable(_));
                (it.name.as_str(), &it.type_, is_optional)
            })
            .collect();
        self.object(&fields, !model.rejects_unknown)
    }

    fn value(&mut self, type_: &Type) -> Value {
        if self.is_faulty() {
            return self.fault(type_);
        }
        match type_ {
            Type::Nullable(inner) if self.choices.below(3) > 0 => self.value(inner),
            Type::Nullable(_) => null(),
            Type::Array(inner) => {
                let count = self.choices.of(&[0, 1, 2, 3, 5]);
                Value::Array((0..count).map(|_| self.value(inner)).collect())
            }
            Type::Tuple(parts) => Value::Array(parts.iter().map(|it| self.value(it)).collect()),
            Type::Map(key, value) => {
                let count = self.choices.of(&[0, 1, 2, 3]);
                let members = (0..count).map(|_| {
                    let text = if self.is_faulty() {
                        match scalars::near(self.choices, key) {
                            Value::Text(text) | Value::Raw(text) => text,
                            Value::Array(_) | Value::Object(_) => String::new(),
                        }
                    } else {
                        scalars::text(self.choices, key)
                    };
                    (text, self.value(value))
                });
                Value::Object(members.collect())
            }
            Type::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, type_)| {
                    (name.as_str(), type_, matches!(type_, Type::Nullable(_)))
                });
                self.object(&fields.collect::<Vec<_>>(), true)
            }
            Type::Json(paths) => {
                let paths: Vec<_> = paths
                    .iter()
                    .map(|(path, type_)| (&path[..], type_))
                    .collect();
                self.json(&paths)
            }
            _ => scalars::valid(self.choices, type_),
        }
    }

    /// `fields`: name, type, and whether it may be left out.
    fn object(&mut self, fields: &[(&str, &Type, bool)], may_have_others: bool) -> Value {
        let mut members = Vec::new();
        for (name, type_, is_optional) in fields {
            let is_left_out = *is_optional && self.choices.once_in(3) || self.is_faulty();
            if !is_left_out {
                members.push(((*name).to_owned(), self.value(type_)));
            }
            if self.choices.once_in(20) {
                members.push(((*name).to_owned(), self.value(type_)));
            }
        }
        if self.is_faulty() || may_have_others && self.choices.once_in(6) {
            let name = match self.choices.below(3) {
                0 => models::name(self.choices).to_owned(),
                1 => models::name(self.choices).to_uppercase(),
                _ => scalars::text(self.choices, &Type::String),
            };
            members.push((name, self.anything(2)));
        }
        self.shuffle(&mut members);
        Value::Object(members)
    }

    /// Mostly left as they are: the order of the declaration is the usual one.
    fn shuffle(&mut self, members: &mut [(String, Value)]) {
        while self.choices.once_in(3) && !members.is_empty() {
            let (a, b) = (
                self.choices.below(members.len()),
                self.choices.below(members.len()),
            );
            members.swap(a, b);
        }
    }

    /// An object with these typed paths and other members.
    fn json(&mut self, paths: &[(&[String], &Type)]) -> Value {
        let mut members = Vec::<(String, Value)>::new();
        for (path, type_) in paths {
            let key = &path[0];
            let is_left_out =
                self.is_faulty() || matches!(type_, Type::Nullable(_)) && self.choices.once_in(3);
            if members.iter().any(|(name, _)| name == key) || is_left_out {
                continue;
            }
            let value = if path.len() == 1 {
                self.value(type_)
            } else if self.is_faulty() {
                self.anything(1)
            } else {
                let below = paths.iter().filter(|(path, _)| &path[0] == key);
                let below: Vec<_> = below.map(|(path, type_)| (&path[1..], *type_)).collect();
                self.json(&below)
            };
            members.push((key.clone(), value));
        }
        if self.choices.once_in(3) {
            members.push(("more".to_owned(), self.anything(3)));
        }
        self.shuffle(&mut members);
        Value::Object(members)
    }

    /// Not what the type says, or just so.
    fn fault(&mut self, type_: &Type) -> Value {
        match (self.choices.below(10), type_) {
            (0, _) => null(),
            (1, _) => self.anything(2),
            (2, _) => Value::Array(vec![self.value(type_)]),
            (3, Type::Nullable(inner) | Type::Array(inner)) => self.value(inner),
            (3, Type::Tuple(parts)) => {
                let elements = parts.iter().chain(parts).map(|it| self.value(it));
                let mut elements: Vec<_> = elements.collect();
                elements.truncate(self.choices.below(elements.len() + 1));
                Value::Array(elements)
            }
            (3, _) => {
                let (other, _) = models::type_(self.choices, 2);
                self.value(&other)
            }
            (_, Type::Nullable(inner)) => self.fault(inner),
            (
                _,
                Type::Array(_) | Type::Tuple(_) | Type::Map(..) | Type::Object(_) | Type::Json(_),
            ) => self.anything(1),
            _ => scalars::near(self.choices, type_),
        }
    }

    /// Any JSON, so many levels of it.
    fn anything(&mut self, levels: usize) -> Value {
        match self.choices.below(if levels == 0 { 4 } else { 6 }) {
            0 => scalars::valid(self.choices, &Type::String),
            1 => scalars::valid(
                self.choices,
                &Type::Integer {
                    signed: true,
                    bits: 256,
                },
            ),
            2 => scalars::valid(self.choices, &Type::Float),
            3 => Value::Raw(self.choices.of(&["null", "true", "false"]).to_owned()),
            4 => {
                let count = self.choices.below(3);
                Value::Array((0..count).map(|_| self.anything(levels - 1)).collect())
            }
            _ => {
                let count = self.choices.below(3);
                let members = (0..count).map(|_| {
                    (
                        models::name(self.choices).to_owned(),
                        self.anything(levels - 1),
                    )
                });
                Value::Object(members.collect())
            }
        }
    }
}

fn null() -> Value {
    Value::Raw("null".to_owned())
}
