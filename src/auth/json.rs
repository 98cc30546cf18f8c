//! Parses JSON and rejects duplicate members: parsers that disagree on which of them counts can be
//! exploited (RFC 7515 section 4, RFC 7517 section 4, RFC 7519 section 4).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::excerpt::excerpt;

/// Parses a document.
///
/// # Errors
/// It is not JSON, or any object has a duplicate member.
pub(super) fn parse_without_duplicates(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json).map(|WithoutDuplicates(value)| value)
}

struct WithoutDuplicates(Value);

impl<'de> Deserialize<'de> for WithoutDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(WithoutDuplicates(value)) = elements.next_element()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, WithoutDuplicates(value))) = members.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                let name = excerpt(name.as_bytes(), 64);
                return Err(A::Error::custom(format_args!(
                    "duplicate member \"{name}\""
                )));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::parse_without_duplicates;

    #[test]
    fn other_documents_are_parsed_as_by_serde_json() {
        let text =
            r#"{"a": [1, -1, 1.5, "é\u0041", true, null, {"a": {}}], "b": 18446744073709551615}"#;
        assert_eq!(
            parse_without_duplicates(text.as_bytes()).expect("it is JSON"),
            serde_json::from_str::<Value>(text).expect("it is JSON")
        );
        assert_eq!(
            parse_without_duplicates(b" 1 ").expect("it is JSON"),
            json!(1)
        );
    }

    #[test]
    fn duplicate_members_are_rejected() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"[{"b": {"a": 1, "c": 2, "a": 3}}]"#,
            r#"{"": 1, "": 1}"#,
        ] {
            let error = parse_without_duplicates(text.as_bytes())
                .expect_err(text)
                .to_string();
            assert!(error.starts_with("duplicate member "), "{error}");
        }
    }

    #[test]
    fn invalid_json_is_rejected() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{} {}", "{'a': 1}", "\u{feff}{}", deep.as_str()] {
            parse_without_duplicates(text.as_bytes()).expect_err(text);
        }
    }
}
