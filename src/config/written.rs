//! What was written, kept to tell what another configuration changes.

use std::{collections::BTreeMap, fmt};

use super::raw::Raw;

/// The value of every key, set or not. It may hold passwords, and so `Debug` shows nothing.
#[derive(Clone)]
pub(super) struct Written(BTreeMap<String, Setting>);

#[derive(Clone)]
struct Setting {
    /// As the key is written: properties of librdkafka have several names.
    key: String,
    /// As text: a number is the same in the file and in the environment. `None` for a compound.
    value: Option<String>,
}

impl Written {
    pub(super) fn new(raw: &Raw) -> Self {
        let entries = raw.entries.iter().map(|(name, entry)| {
            let setting = Setting {
                key: entry.key.clone(),
                value: entry.value.scalar().map(std::borrow::Cow::into_owned),
            };
            (name.clone(), setting)
        });
        Self(entries.collect())
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
