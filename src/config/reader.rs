//! Typed access to what was written: each key gives its value, and what is wrong is gathered.
//! Checking goes on after an error, with the default in place of the bad value.

use std::{fmt::Display, time::Duration};

use super::{
    ConfigError, Origin, Value,
    keys::{self, KEYS, Kind},
    raw::{Entry, Raw},
};

/// What was written, and everything that is wrong with it so far.
pub(super) struct Reader {
    pub(super) raw: Raw,
}

impl Reader {
    /// What was written for a key, or its default.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.raw.entries.get(key)
    }

    /// Whether somebody set a key, be it to its default.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| !entry.is_default)
    }

    /// Whether the value of a key comes from the environment.
    pub(super) fn is_from_environment(&self, key: &str) -> bool {
        self.entry(key)
            .is_some_and(|entry| matches!(entry.origin, Origin::Environment(_)))
    }

    /// Notes an error at the place of a key.
    pub(super) fn fail(&mut self, key: &str, message: String) {
        if let Some(entry) = self.raw.entries.get(key) {
            self.raw.errors.push(ConfigError {
                origin: entry.origin.clone(),
                key: entry.key.clone(),
                message,
            });
        }
    }

    /// Notes that a key's value is not what it may be.
    pub(super) fn refuse(&mut self, key: &str, allowed: &str) {
        let given = self.entry(key).map_or("", |entry| &entry.written);
        let message = format!("{given} is not allowed: {allowed}");
        self.fail(key, message);
    }

    /// Whether none of these keys has an error so far: only then does it tell anything new that
    /// they don't go together.
    pub(super) fn are_good(&self, keys: &[&str]) -> bool {
        let errors = &self.raw.errors;
        !errors.iter().any(|error| keys.contains(&&*error.key))
    }

    /// What `read` makes of a key's value; else an error, and what it makes of the default.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        allowed: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.entry(key).and_then(|entry| read(&entry.value));
        if value.is_none() {
            self.refuse(key, allowed);
            return read(&keys::find(key)?.default_value());
        }
        value
    }

    /// A whole number within the bounds of its key.
    pub(super) fn integer(&mut self, key: &str) -> usize {
        let Some(Kind::Integer(min, max)) = keys::find(key).map(|key| &key.kind) else {
            return 0;
        };
        let allowed = format!("a whole number from {} to {}", grouped(min), grouped(max));
        let read = |value: &Value| {
            let integer = value.integer().filter(|it| (min..=max).contains(&it))?;
            usize::try_from(integer).ok()
        };
        self.value(key, &allowed, read).unwrap_or_default()
    }

    /// A time in milliseconds, within the bounds of its key.
    pub(super) fn milliseconds(&mut self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key) as u64)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> bool {
        let value = self.value(key, "true or false", Value::boolean);
        value.unwrap_or_default()
    }

    /// One of the strings that its key allows.
    pub(super) fn choice(&mut self, key: &str) -> &'static str {
        let Some(Kind::Choice(choices)) = keys::find(key).map(|key| &key.kind) else {
            return "";
        };
        let quoted: Vec<_> = choices.iter().map(|choice| format!("{choice:?}")).collect();
        let read = |value: &Value| {
            let given = value.text()?;
            choices.iter().find(|choice| **choice == given).copied()
        };
        let value = self.value(key, &quoted.join(" or "), read);
        value.unwrap_or_default()
    }

    /// Notes every key that somebody set and this version can't honour.
    pub(super) fn refuse_unsupported(&mut self) {
        let unsupported = KEYS.iter().filter_map(|key| match key.kind {
            Kind::Unsupported(why) => Some((key.name, why)),
            _ => None,
        });
        for (name, why) in unsupported {
            let set = self.raw.entries.values().filter(|entry| {
                !entry.is_default && keys::find(&entry.key).is_some_and(|key| key.name == name)
            });
            let errors = set.map(|entry| ConfigError {
                origin: entry.origin.clone(),
                key: entry.key.clone(),
                message: format!("not supported by this version: {why}"),
            });
            self.raw.errors.extend(errors);
        }
    }
}

/// A number as a configuration file may have it, digits in groups of three.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1_000");
        assert_eq!(grouped(123_456_789), "123_456_789");
    }
}
