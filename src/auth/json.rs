//! JSON in which no object names a member twice: what one reader takes from the first and another
//! from the last is an attack (RFC 7515 section 4, RFC 7517 section 4, RFC 7519 section 4).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::excerpt::excerpt;

/// The document.
///
/// # Errors
/// It is no JSON, or names a member twice, anywhere.
pub(super) fn unambiguous(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json).map(|Unambiguous(value)| value)
}

struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
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
        while let Some(Unambiguous(value)) = elements.next_element()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unambiguous(value))) = members.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                let name = excerpt(name.as_bytes(), 64);
                return Err(A::Error::custom(format_args!("\"{name}\" is there twice")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::unambiguous;

    #[test]
    fn what_has_each_name_once_is_read_as_serde_json_does() {
        let text =
            r#"{"a": [1, -1, 1.5, "é\u0041", true, null, {"a": {}}], "b": 18446744073709551615}"#;
        assert_eq!(
            unambiguous(text.as_bytes()).expect("it is JSON"),
            serde_json::from_str::<Value>(text).expect("it is JSON")
        );
        assert_eq!(unambiguous(b" 1 ").expect("it is JSON"), json!(1));
    }

    #[test]
    fn what_names_a_member_twice_is_refused() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"[{"b": {"a": 1, "c": 2, "a": 3}}]"#,
            r#"{"": 1, "": 1}"#,
        ] {
            let error = unambiguous(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains("is there twice at line 1"), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{} {}", "{'a': 1}", "\u{feff}{}", deep.as_str()] {
            unambiguous(text.as_bytes()).expect_err(text);
        }
    }
}
