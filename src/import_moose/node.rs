//! A JSON document with positions: every error names its JSON pointer.

use serde_json::Value;

use crate::document::{ConfigError, Origin};

/// A value of the map, and its position.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    /// The name of the document.
    file: &'a str,
    /// Its JSON pointer (RFC 6901).
    pointer: String,
    /// The value there.
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    /// A whole document.
    pub(super) fn root(file: &'a str, value: &'a Value) -> Self {
        Self {
            file,
            pointer: String::new(),
            value,
        }
    }

    fn child(&self, token: &str, value: &'a Value) -> Self {
        let token = token.replace('~', "~0").replace('/', "~1");
        Self {
            file: self.file,
            pointer: format!("{}/{token}", self.pointer),
            value,
        }
    }

    /// The member of an object, unless it is null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(self.child(key, value))
    }

    /// The member with the first of these names that exists: Moose accepts some in two spellings.
    pub(super) fn get_any(&self, keys: [&str; 2]) -> Option<Self> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// As [`Node::get`].
    ///
    /// # Errors
    /// There is none; the error is at this node.
    pub(super) fn require(&self, key: &str) -> Result<Self, ConfigError> {
        self.get(key)
            .ok_or_else(|| self.error(format!("\"{key}\" is missing")))
    }

    /// A string.
    ///
    /// # Errors
    /// It is not a string.
    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.error("a string is expected".to_owned()))
    }

    /// The string under a key.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn require_text(&self, key: &str) -> Result<&'a str, ConfigError> {
        self.require(key)?.text()
    }

    /// Whether `true` is under a key.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|it| it.value == true)
    }

    /// The elements of an array; anything else has none.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, value)| self.child(&index.to_string(), value))
    }

    /// The members of an object, sorted by their keys; anything else has none.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, Self)> {
        let members = self.value.as_object().into_iter().flatten();
        members.map(|(key, value)| (key.as_str(), self.child(key, value)))
    }

    /// The elements of an array under a key.
    ///
    /// # Errors
    /// There is no array.
    pub(super) fn require_items(&self, key: &str) -> Result<Vec<Self>, ConfigError> {
        let array = self.require(key)?;
        if !array.value.is_array() {
            return Err(array.error("an array is expected".to_owned()));
        }
        Ok(array.items().collect())
    }

    /// An error at this value.
    pub(super) fn error(&self, message: String) -> ConfigError {
        ConfigError {
            origin: Origin::File {
                path: self.file.to_owned(),
                line: None,
            },
            key: self.pointer.clone(),
            message,
        }
    }
}

/// All errors in a part of a document; never empty.
#[derive(Debug)]
pub(super) struct MapErrors(pub(super) Vec<ConfigError>);

impl From<ConfigError> for MapErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// All results, or all errors.
pub(super) fn all<T>(
    results: impl IntoIterator<Item = Result<T, MapErrors>>,
) -> Result<Vec<T>, MapErrors> {
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(it) => good.push(it),
            Err(MapErrors(wrong)) => errors.extend(wrong),
        }
    }
    if errors.is_empty() {
        Ok(good)
    } else {
        Err(MapErrors(errors))
    }
}

/// Both results, or the errors of both.
pub(super) fn both<A, B>(
    first: Result<A, MapErrors>,
    second: Result<B, MapErrors>,
) -> Result<(A, B), MapErrors> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => {
            let errors = [first.err(), second.err()];
            let errors = errors.into_iter().flatten().flat_map(|MapErrors(it)| it);
            Err(MapErrors(errors.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_points_to_its_value() {
        let value = json!({"a/b": [{"~": 1}, null], "none": null});
        let root = Node::root("map.json", &value);
        let items: Vec<_> = root.require_items("a/b").expect("an array");
        let inner = items[0].require("~").expect("a member");
        let error = inner.text().expect_err("it is a number").to_string();
        assert_eq!(error, "map.json: /a~1b/0/~0: a string is expected");
        assert_eq!(
            value.pointer(&inner.error(String::new()).key),
            Some(&json!(1))
        );
        assert!(root.get("none").is_none());
        let error = root.require_text("none").expect_err("null").to_string();
        assert_eq!(error, "map.json: \"none\" is missing");
    }
}
