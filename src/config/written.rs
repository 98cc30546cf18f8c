//! The values as written, to find what another configuration changes.

use std::{collections::BTreeMap, fmt};

use super::{keys::KEYS, raw::Raw};
use crate::document::Value;

/// The value of every key, set or not, except keys of repeatable tables, which are all reloadable.
/// It may hold passwords, so `Debug` shows nothing.
#[derive(Clone)]
pub(super) struct Written(BTreeMap<String, Setting>);

#[derive(Clone)]
struct Setting {
    /// As the key is written: properties of librdkafka have several names.
    key: String,
    /// As text: a number is the same in the file and in the environment. `None` for a compound.
    value: Option<String>,
}

impl Setting {
    fn new(key: &str, value: &Value) -> Self {
        Self {
            key: key.to_owned(),
            value: value.scalar(),
        }
    }
}

impl Written {
    pub(super) fn new(raw: &Raw) -> Self {
        let sections = KEYS.iter().filter(|key| key.tables.is_none()).map(|key| {
            let setting = match raw.sections.get(key.name) {
                Some(setting) => Setting::new(key.name, &setting.value),
                None => Setting::new(key.name, &key.default_value()),
            };
            (key.name.to_owned(), setting)
        });
        let properties = raw.properties.iter().map(|(name, setting)| {
            let name = format!("kafka.{name}");
            (name, Setting::new(&setting.key, &setting.value))
        });
        Self(sections.chain(properties).collect())
    }

    /// The keys whose values are others in `new`, sorted.
    pub(super) fn differing<'k>(&'k self, new: &'k Self) -> Vec<&'k str> {
        let value = |of: &'k Self, name: &str| of.0.get(name).map(|it| &it.value);
        let removed = self.0.iter().filter(|(name, _)| !new.0.contains_key(*name));
        let changed = new.0.iter();
        let changed = changed.filter(|(name, it)| value(self, name) != Some(&it.value));
        let settings = removed.chain(changed);
        let mut keys: Vec<_> = settings.map(|(_, it)| it.key.as_str()).collect();
        keys.sort_unstable();
        keys
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}
