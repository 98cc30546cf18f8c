//! Random bodies: values written down in one of the many ways that JSON has, and at times broken.

use std::fmt::Write as _;

use ringest::validate::Format;

use super::{
    choices::Choices,
    values::{Maker, Value},
};
use crate::reference::types::Model;

/// Bytes that mean something to JSON, or break it.
const BYTES: &[u8] = b"{}[]:,\"\\ \n0-+.eutfn/\x00\x1f\x7f\x80\xc3\xed\xff";

/// A body and how it holds its records.
pub(crate) fn body(choices: &mut Choices<'_>, model: &Model) -> (Format, Vec<u8>) {
    let fault_once_in = choices.of(&[0, 40, 12, 4]);
    let (format, count) = match choices.below(8) {
        0..=4 => (Format::Json, None),
        5 | 6 => (Format::Json, Some(choices.below(5))),
        _ => (Format::Ndjson, Some(1 + choices.below(4))),
    };
    let records: Vec<_> = (0..count.unwrap_or(1))
        .map(|_| {
            let mut maker = Maker {
                choices,
                fault_once_in,
            };
            maker.record(model)
        })
        .collect();
    let mut text = String::new();
    let mut writer = Writer {
        choices,
        text: &mut text,
        spaces: if format == Format::Ndjson {
            &[" ", "\t", "\r"]
        } else {
            &[" ", "\t", "\n", "\r\n"]
        },
    };
    match (format, count) {
        (Format::Ndjson, _) => {
            for record in &records {
                writer.value(record);
                writer
                    .text
                    .push_str(writer.choices.of(&["\n", "\r\n", "\n \n"]));
            }
        }
        (Format::Json, None) => writer.value(&records[0]),
        (Format::Json, Some(_)) => writer.value(&Value::Array(records)),
    }
    let mut body = text.into_bytes();
    if choices.once_in(25) {
        let place = choices.below(body.len() + 1);
        let byte = choices.of(BYTES);
        match choices.below(3) {
            0 if place < body.len() => body[place] = byte,
            1 => body.truncate(place),
            _ => body.insert(place, byte),
        }
    }
    (format, body)
}

struct Writer<'w, 'c> {
    choices: &'w mut Choices<'c>,
    text: &'w mut String,
    spaces: &'static [&'static str],
}

impl Writer<'_, '_> {
    fn space(&mut self) {
        if self.choices.once_in(12) {
            let space = self.choices.of(self.spaces);
            self.text.push_str(space);
        }
    }

    fn token(&mut self, token: char) {
        self.space();
        self.text.push(token);
        self.space();
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::Raw(text) => self.text.push_str(text),
            Value::Text(text) => self.string(text),
            Value::Array(elements) => {
                self.token('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.token(',');
                    }
                    self.value(element);
                }
                self.token(']');
            }
            Value::Object(members) => {
                self.token('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.token(',');
                    }
                    self.string(key);
                    self.token(':');
                    self.value(value);
                }
                self.token('}');
            }
        }
        self.space();
    }

    fn string(&mut self, text: &str) {
        let escapes_all = self.choices.once_in(15);
        self.text.push('"');
        for char in text.chars() {
            let must_escape = matches!(char, '"' | '\\' | '\0'..='\x1f');
            match char {
                '"' | '\\' if !escapes_all => self.text.extend(['\\', char]),
                '\n' if !escapes_all => self.text.push_str("\\n"),
                _ if must_escape || escapes_all => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        write!(self.text, "\\u{unit:04x}").expect("a String takes all");
                    }
                }
                _ => self.text.push(char),
            }
        }
        self.text.push('"');
    }
}
