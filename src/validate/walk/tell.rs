//! What is wrong, put into words; none of it happens while all is well.

use std::iter;

use simd_json::Node;

use super::{
    super::{
        fault::{Cause, FaultCode, quote},
        flaw::{self, Flaw, Found},
        path::{self, Path},
    },
    Walk,
    seen::Seen,
};
use crate::model::{Instruction, Shape};

impl Walk<'_, '_> {
    /// The value at `at` does not fit.
    #[cold]
    #[inline(never)]
    pub(super) fn fault(&mut self, at: usize, type_: &Instruction, path: &Path<'_>, flaw: Flaw) {
        if !self.causes.count() {
            return;
        }
        let offset = self.offset(at, path);
        let json = match self.nodes[at] {
            Node::Static(_) => self.number(at, path),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } => &[],
        };
        let found = Found::Value(self.nodes[at], json);
        self.tell(offset, type_, path, flaw, &found);
    }

    /// The key at `at` does not fit; its value may.
    #[cold]
    #[inline(never)]
    pub(super) fn fault_of_key(
        &mut self,
        at: usize,
        type_: &Instruction,
        path: &Path<'_>,
        flaw: Flaw,
    ) {
        if !self.causes.count() {
            return;
        }
        let offset = self.offset(at, path);
        let found = Found::Key(self.key(at));
        self.tell(offset, type_, path, flaw, &found);
    }

    fn tell(
        &mut self,
        offset: usize,
        type_: &Instruction,
        path: &Path<'_>,
        flaw: Flaw,
        found: &Found<'_>,
    ) {
        let expected = self.program.text(type_);
        self.causes.tell(Cause {
            offset,
            path: path.text(self.nodes),
            code: flaw.code(),
            message: flaw.message(
                self.program,
                type_.op,
                expected,
                found,
                self.causes.may_guess(),
            ),
            expected: Some(expected.to_owned()),
        });
    }

    /// The key at `at` is not declared.
    #[cold]
    #[inline(never)]
    pub(super) fn unknown(&mut self, at: usize, key: &str, shape: &Shape, path: &Path<'_>) {
        if !self.causes.count() {
            return;
        }
        let mut text = path.text(self.nodes);
        path::push_member(&mut text, &path::shown(key));
        let meant = self.causes.may_guess();
        let meant = meant
            .then(|| flaw::likely(key, shape.names.iter()))
            .flatten();
        let (found, guess) = (quote(key.as_bytes()), flaw::guess(meant));
        self.causes.tell(Cause {
            offset: self.cursor.offset(at, path.depth() + 1),
            path: text,
            code: FaultCode::UnknownField,
            message: format!("field {found} is not declared{guess}"),
            expected: None,
        });
    }

    /// The object at `at` lacks fields.
    #[cold]
    #[inline(never)]
    pub(super) fn missing(&mut self, at: usize, seen: &Seen, shape: &Shape, path: &Path<'_>) {
        let absent = shape.required.iter().zip(seen.words(self.seen));
        let absent: Vec<u64> = absent.map(|(required, seen)| required & !seen).collect();
        for (field, type_) in shape.fields.iter().enumerate() {
            let is_absent = absent[field / 64] >> (field % 64) & 1 == 1;
            if !is_absent || !self.causes.count() {
                continue;
            }
            let name = shape.names.text(field);
            let expected = self.program.text(type_);
            let meant = self.causes.may_guess();
            let meant = meant.then(|| self.misnamed(at, name, shape)).flatten();
            let found = meant.map_or_else(String::new, |key| {
                format!("; found {} instead", quote(key.as_bytes()))
            });
            let mut text = path.text(self.nodes);
            path::push_member(&mut text, name);
            let (quoted, shown) = (quote(name.as_bytes()), path::shown(expected));
            let offset = self.offset(at, path);
            self.causes.tell(Cause {
                offset,
                path: text,
                code: FaultCode::MissingField,
                message: format!("required field {quoted} ({shown}) is missing{found}"),
                expected: Some(expected.to_owned()),
            });
        }
    }

    /// A key of the object at `at` that is not declared and resembles `name`.
    fn misnamed(&self, at: usize, name: &str, shape: &Shape) -> Option<&str> {
        let (end, mut next) = (self.after(at), at + 1);
        let keys = iter::from_fn(|| {
            let key = (next < end).then_some(next)?;
            next = self.after(key + 1);
            Some(self.key(key))
        });
        let keys = keys.take(KEYS_COMPARED_MAX);
        let is_likely = |key: &&str| {
            let is_short = path::shown(key) == **key;
            is_short && shape.names.look_up(key).is_none()
        };
        let keys: Vec<_> = keys.filter(is_likely).collect();
        flaw::likely(name, keys.into_iter())
    }
}

/// Keys of an object that are compared with the name of a field that is missing.
const KEYS_COMPARED_MAX: usize = 64;
