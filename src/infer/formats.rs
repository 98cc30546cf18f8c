//! The formats that texts may have: the validator says which.

use std::iter;

use crate::{
    model::{Field, Rules, Type, UnknownFields},
    validate::{Format, ValidateLimits, Validator},
};

/// Types whose values are texts of a format. A text of one is never a text of another.
pub(super) const FORMATS: [&str; 5] = ["UUID", "Date", "DateTime", "IPv4", "IPv6"];

/// Longer texts have none of them.
const BYTES_MAX: usize = 64;

/// Their rules.
pub(super) struct Formats {
    rules: Vec<Rules>,
    validator: Validator,
}

impl Formats {
    pub(super) fn new() -> Self {
        let types = FORMATS.iter().filter_map(|text| Type::parse(text).ok());
        let rules = types.map(|type_| {
            let field = Field::declared("v".to_owned(), type_, false);
            Rules::compile(&[field], UnknownFields::Forward)
        });
        Self {
            rules: rules.collect(),
            validator: Validator::new(ValidateLimits {
                record_bytes_max: 1_024,
                records_max: 1,
                json_depth_max: 2,
            }),
        }
    }

    /// Notes each format that a text is not in.
    pub(super) fn rule_out(&mut self, text: &str, is_not: &mut [bool; FORMATS.len()]) {
        if text.len() > BYTES_MAX {
            *is_not = [true; FORMATS.len()];
        }
        // 32 hex digits are also a digest.
        is_not[0] |= !text.contains('-');
        for (is_not, rules) in iter::zip(is_not, &self.rules) {
            if !*is_not {
                let record = serde_json::json!({ "v": text }).to_string();
                let valid = (self.validator).validate(record.as_bytes(), Format::Json, rules);
                *is_not = valid.is_err();
            }
        }
    }
}
