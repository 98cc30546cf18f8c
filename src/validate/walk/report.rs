//! Reports errors of a record; not used for valid records.

use std::iter;

use simd_json::Node;

use super::{
    super::{
        error::{ErrorCode, RecordError, quote},
        mismatch::{self, FoundValue, TypeMismatch},
        path::{self, Path},
        seen::SeenFields,
    },
    Walk,
};
use crate::model::{Instruction, Shape};

impl Walk<'_, '_> {
    /// Reports that the value at `at` does not match its type.
    #[cold]
    #[inline(never)]
    pub(super) fn report_mismatch(
        &mut self,
        at: usize,
        type_: &Instruction,
        path: &Path<'_>,
        mismatch: TypeMismatch,
    ) {
        if !self.errors.count() {
            return;
        }
        let offset = self.offset(at, path);
        let json = match self.nodes[at] {
            Node::Static(_) => self.number(at, path),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } => &[],
        };
        let found = FoundValue::Value(self.nodes[at], json);
        self.report(offset, type_, path, mismatch, &found);
    }

    /// Reports that the map key at `at` does not match its type; the value is validated separately.
    #[cold]
    #[inline(never)]
    pub(super) fn report_key_mismatch(
        &mut self,
        at: usize,
        type_: &Instruction,
        path: &Path<'_>,
        mismatch: TypeMismatch,
    ) {
        if !self.errors.count() {
            return;
        }
        let offset = self.offset(at, path);
        let found = FoundValue::Key(self.key(at));
        self.report(offset, type_, path, mismatch, &found);
    }

    fn report(
        &mut self,
        offset: usize,
        type_: &Instruction,
        path: &Path<'_>,
        mismatch: TypeMismatch,
        found: &FoundValue<'_>,
    ) {
        let expected = self.program.text(type_);
        self.errors.report(RecordError {
            offset,
            path: path.text(self.nodes),
            code: mismatch.code(),
            message: mismatch.message(
                self.program,
                type_.op,
                expected,
                found,
                self.errors.may_suggest(),
            ),
            expected: Some(shown_type(expected)),
        });
    }

    /// Reports that the key at `at` is not declared.
    #[cold]
    #[inline(never)]
    pub(super) fn report_unknown_field(
        &mut self,
        at: usize,
        key: &str,
        shape: &Shape,
        path: &Path<'_>,
    ) {
        if !self.errors.count() {
            return;
        }
        let mut text = path.text(self.nodes);
        path::push_member(&mut text, &path::shown(key));
        let similar = self.errors.may_suggest();
        let similar = similar
            .then(|| mismatch::similar_name(key, shape.names.iter()))
            .flatten();
        let (found, suggestion) = (quote(key.as_bytes()), mismatch::suggestion(similar));
        self.errors.report(RecordError {
            offset: self.cursor.offset(at, path.depth() + 1),
            path: text,
            code: ErrorCode::UnknownField,
            message: format!("field {found} is not declared{suggestion}"),
            expected: None,
        });
    }

    /// Reports the required fields that the object at `at` lacks.
    #[cold]
    #[inline(never)]
    pub(super) fn report_missing_fields(
        &mut self,
        at: usize,
        seen: &SeenFields,
        shape: &Shape,
        path: &Path<'_>,
    ) {
        let words = seen.words(self.seen);
        let absent = shape.required.iter().zip(words);
        let absent = absent.map(|(required, seen)| required & !seen);
        let count = || absent.clone().map(|word| word.count_ones() as usize).sum();
        if self.errors.count_all(count) {
            return;
        }
        let absent: Vec<u64> = absent.collect();
        for (field, type_) in shape.fields.iter().enumerate() {
            let is_absent = absent[field / 64] >> (field % 64) & 1 == 1;
            if !is_absent || !self.errors.count() {
                continue;
            }
            let name = shape.names.text(field);
            let expected = self.program.text(type_);
            let similar = self.errors.may_suggest();
            let similar = similar.then(|| self.similar_key(at, name, shape)).flatten();
            let found = similar.map_or_else(String::new, |key| {
                format!("; found {} instead", quote(key.as_bytes()))
            });
            let mut text = path.text(self.nodes);
            path::push_member(&mut text, name);
            let (quoted, shown) = (quote(name.as_bytes()), path::shown(expected));
            let offset = self.offset(at, path);
            self.errors.report(RecordError {
                offset,
                path: text,
                code: ErrorCode::MissingField,
                message: format!("required field {quoted} ({shown}) is missing{found}"),
                expected: Some(shown_type(expected)),
            });
        }
    }

    /// An undeclared key of the object at `at` that is similar to `name`.
    fn similar_key(&self, at: usize, name: &str, shape: &Shape) -> Option<&str> {
        let (end, mut next) = (self.after(at), at + 1);
        let keys = iter::from_fn(|| {
            let key = (next < end).then_some(next)?;
            next = self.after(key + 1);
            Some(self.key(key))
        });
        let keys = keys.take(KEYS_COMPARED_MAX);
        let is_candidate = |key: &&str| {
            let is_short = path::shown(key) == **key;
            is_short && shape.names.look_up(key.as_bytes()).is_none()
        };
        let keys: Vec<_> = keys.filter(is_candidate).collect();
        mismatch::similar_name(name, keys.into_iter())
    }
}

/// Maximum number of keys of an object that are compared with the name of a missing field.
const KEYS_COMPARED_MAX: usize = 64;

/// A type as written in the model; a long one, such as an enum of thousands of members, is truncated:
/// an answer can list it a hundred times.
fn shown_type(text: &str) -> String {
    match text.char_indices().nth(TYPE_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Maximum characters of a type in an error.
const TYPE_CHARS_MAX: usize = 4_096;
