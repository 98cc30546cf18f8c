//! The members of a record that become its key and its timestamp.

use std::ops::Range;

use super::Direct;
use crate::{model::Rules, validate::envelope};

/// The value may be valid or not.
pub(super) struct Unsure;

/// Both, where the model has them.
#[derive(Default)]
pub(super) struct Fields<'d> {
    pub(super) key: Option<Field<'d>>,
    pub(super) timestamp: Option<Field<'d>>,
}

/// A member of the record, in which the value may be nested.
#[derive(Clone)]
pub(super) struct Field<'d> {
    name: &'d [u8],
    /// The names of the members below it.
    below: &'d [String],
    /// Its place among the declared fields.
    index: Option<usize>,
    /// Its last value in the current record; empty without one.
    value: Range<usize>,
}

impl<'d> Field<'d> {
    fn of(names: Option<&'d [String]>, rules: &Rules) -> Option<Self> {
        let (name, below) = names?.split_first()?;
        let program = rules.program();
        Some(Self {
            name: name.as_bytes(),
            below,
            index: program.and_then(|it| it.shape(it.root()).names.look_up(name.as_bytes())),
            value: 0..0,
        })
    }

    fn is(&self, member: Result<usize, &[u8]>) -> bool {
        match member {
            Ok(index) => self.index == Some(index),
            Err(name) => self.index.is_none() && self.name == name,
        }
    }
}

impl<'d> Fields<'d> {
    #[inline]
    pub(super) fn of(rules: &'d Rules) -> Self {
        Self {
            key: Field::of(rules.partition_key.as_deref(), rules),
            timestamp: Field::of(rules.timestamp_field.as_deref(), rules),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.key.is_none() && self.timestamp.is_none()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Field<'d>> {
        self.key.iter_mut().chain(&mut self.timestamp)
    }

    pub(super) fn clear(&mut self) {
        self.iter_mut().for_each(|field| field.value = 0..0);
    }

    /// Notes the value of a member, which is a declared field or another name.
    #[inline]
    pub(super) fn see(&mut self, member: Result<usize, &[u8]>, value: Range<usize>) {
        for field in self.iter_mut() {
            if field.is(member) {
                field.value = value.clone();
            }
        }
    }
}

impl<'d> Direct<'d> {
    /// The key and the timestamp of the record that was read.
    pub(super) fn key_and_timestamp(&mut self) -> Result<(Option<&'d [u8]>, Option<i64>), Unsure> {
        let (key, timestamp) = (self.fields.key.clone(), self.fields.timestamp.clone());
        let key = key.map_or(Ok(None), |field| self.key_of(&field))?;
        let timestamp_ms = timestamp.map_or(Ok(None), |field| self.timestamp_of(&field))?;
        Ok((key, timestamp_ms))
    }

    fn key_of(&mut self, field: &Field<'d>) -> Result<Option<&'d [u8]>, Unsure> {
        let value = self.last_value(field).ok_or(Unsure)?;
        match &self.text[value] {
            [] | b"null" => Ok(None),
            [b'"', text @ .., b'"'] => unescaped(text).map(Some).ok_or(Unsure),
            [b'{' | b'[', ..] => Err(Unsure),
            scalar => Ok(Some(scalar)),
        }
    }

    fn timestamp_of(&mut self, field: &Field<'d>) -> Result<Option<i64>, Unsure> {
        let value = self.last_value(field).ok_or(Unsure)?;
        let ms = match &self.text[value] {
            [] | b"null" => return Ok(None),
            [b'"', text @ .., b'"'] => unescaped(text).and_then(|text| {
                let names = self.rules.timestamp_field.as_deref()?;
                let declared = || envelope::declared(self.rules, names);
                envelope::parse_timestamp(text, declared).ok()
            }),
            number => str::from_utf8(number).ok().and_then(|it| it.parse().ok()),
        };
        ms.filter(|ms| *ms >= 0).map(Some).ok_or(Unsure)
    }

    /// The last value of a field, which may be nested; nothing without one.
    fn last_value(&mut self, field: &Field<'d>) -> Option<Range<usize>> {
        let mut value = field.value.clone();
        for name in field.below {
            let outer = std::mem::take(&mut value);
            if !outer.is_empty() && self.peek(outer.start) == Some(b'{') {
                self.members(outer.start, |key, inner| {
                    if key == name.as_bytes() {
                        value = inner;
                    }
                })?;
            }
        }
        Some(value)
    }

    /// A record without declared fields.
    pub(super) fn open_object(&mut self, at: usize) -> Option<usize> {
        let mut fields = std::mem::take(&mut self.fields);
        let end = self.members(at, |key, value| fields.see(Err(key), value));
        self.fields = fields;
        end
    }

    /// An object whose members are passed to `see`.
    fn members(&mut self, at: usize, mut see: impl FnMut(&[u8], Range<usize>)) -> Option<usize> {
        self.depth = self.depth_max.checked_sub(1)?;
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b'}';
        while !is_complete {
            let (key, start) = self.key(at)?;
            at = self.any(start)?;
            see(key, start..at);
            (is_complete, at) = self.follower(at, b'}')?;
        }
        Some(at + 1)
    }
}

/// The text of a string without an escape.
fn unescaped(text: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'\\', text).is_none().then_some(text)
}
