//! Whether a text is JSON, without building a value of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether a text is one JSON value that every parser takes.
pub(super) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<Json>(text).is_ok()
}

/// Any value, of which nothing is kept.
struct Json;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_str<E>(self, _: &str) -> Result<Json, E> {
        Ok(Json)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        while elements.next_element::<Json>()?.is_some() {}
        Ok(Json)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        while members.next_entry::<Json, Json>()?.is_some() {}
        Ok(Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_a_value_is_built_of() {
        let deep = [128, 127].map(|depth| "[".repeat(depth) + &"]".repeat(depth));
        let texts = [
            "",
            " ",
            "nul",
            "null",
            "true ",
            " -1",
            "01",
            "1e400",
            "-1e-400",
            "1.5",
            "18446744073709551616",
            r#""\ud83e\udd80""#,
            r#""\ud83e""#,
            r#""\x""#,
            "\"\n\"",
            "[1,[],{}]",
            "[1,]",
            r#"{"a":[{"b":null}],"a":1}"#,
            r#"{"a" 1}"#,
            "{1:2}",
            "{} {}",
            r#"{"\u0000":1}"#,
        ];
        let texts = texts.into_iter().chain(deep.iter().map(String::as_str));
        for text in texts.map(str::as_bytes).chain([&b"\"\xff\""[..], b"\xff"]) {
            let is_value = serde_json::from_slice::<serde_json::Value>(text).is_ok();
            assert_eq!(is_json(text), is_value, "{}", text.escape_ascii());
        }
    }
}
