//! `JSON` and its parameters.

use std::ops::RangeInclusive;

use super::{Parser, Type, TypeError};
use crate::document::nearest;

/// Options of `JSON(…)`, and what they may be. They define how a column is stored and are not validated.
const JSON_OPTIONS: [(&str, RangeInclusive<i64>); 2] = [
    ("max_dynamic_paths", 0..=10_000),
    ("max_dynamic_types", 0..=254),
];

impl Parser<'_> {
    /// The typed paths of a `JSON`; skipped paths and options do not affect validation.
    pub(super) fn json(&mut self) -> Result<Vec<(Vec<String>, Type)>, TypeError> {
        let mut paths: Vec<(Vec<String>, Type)> = Vec::new();
        if !self.cursor.take('(') || self.cursor.take(')') {
            return Ok(paths);
        }
        loop {
            let at = self.cursor.next_at();
            if !self.json_option()? && !self.json_skip()? {
                let path = self.json_path()?;
                let meets = |(other, _): &&(Vec<String>, Type)| {
                    path.starts_with(other) || other.starts_with(&path)
                };
                if let Some((other, _)) = paths.iter().find(meets) {
                    let other = other.join(".");
                    let message = format!("this path meets {other}, which has a type already");
                    return Err(self.cursor.error(at, &message));
                }
                let objects = path.len() - 1;
                self.enter(objects, at)?;
                let type_ = self.type_()?;
                self.depth -= objects;
                paths.push((path, type_));
            }
            if !self.cursor.take(',') {
                break;
            }
        }
        self.close("JSON")?;
        Ok(paths)
    }

    /// `max_dynamic_paths=N`, `max_dynamic_types=N`.
    fn json_option(&mut self) -> Result<bool, TypeError> {
        let at = self.cursor.next_at();
        let mut ahead = self.cursor.clone();
        let Some(name) = ahead.word().filter(|_| ahead.take('=')) else {
            return Ok(false);
        };
        let Some((_, allowed)) = JSON_OPTIONS.iter().find(|(known, _)| *known == name) else {
            let meant = nearest(name, JSON_OPTIONS.iter().map(|(known, _)| *known));
            let meant = meant.map_or_else(String::new, |it| format!("; did you mean {it}?"));
            let message = format!("unknown option \"{name}\" of JSON{meant}");
            return Err(self.cursor.error(at, &message));
        };
        self.cursor = ahead;
        self.number(name, allowed)?;
        Ok(true)
    }

    /// `SKIP a.b`, `SKIP REGEXP '…'`; keywords in any case, as in `ClickHouse`.
    fn json_skip(&mut self) -> Result<bool, TypeError> {
        let is =
            |word: Option<&str>, keyword| word.is_some_and(|it| it.eq_ignore_ascii_case(keyword));
        let mut ahead = self.cursor.clone();
        if !is(ahead.word(), "SKIP") {
            return Ok(false);
        }
        self.cursor = ahead.clone();
        if is(ahead.word(), "REGEXP") && ahead.quoted('\'')?.is_some() {
            self.cursor = ahead;
        } else {
            self.json_path()?;
        }
        Ok(true)
    }

    /// Members between dots. A quoted name is split at its dots too: `ClickHouse` itself writes
    /// `a.b` in quotes where it shows a type.
    fn json_path(&mut self) -> Result<Vec<String>, TypeError> {
        let mut path = Vec::new();
        loop {
            let at = self.cursor.next_at();
            let part = match self.quoted_name()? {
                Some(part) => part,
                None => self.bare_name()?.to_owned(),
            };
            path.extend(part.split('.').map(str::to_owned));
            if path.iter().any(String::is_empty) {
                return Err(self.cursor.error(at, "an empty name"));
            }
            if !self.cursor.take('.') {
                return Ok(path);
            }
        }
    }

    fn bare_name(&mut self) -> Result<&str, TypeError> {
        let word = self.cursor.word();
        word.ok_or_else(|| self.cursor.expected("a path is expected, such as a.b"))
    }
}
