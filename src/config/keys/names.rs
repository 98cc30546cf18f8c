//! Keys by their names.

use super::{KEYS, LISTEN_ADDRESS, MANAGEMENT_ADDRESS};
use crate::{
    config::key::{ApiKeyTable, CertificateTable, ClientTable, IssuerTable, Known, Place},
    document::nearest,
};

/// Names of the repeatable tables.
const TABLES: [Option<&str>; 4] = [
    CertificateTable::TABLES,
    ClientTable::TABLES,
    IssuerTable::TABLES,
    ApiKeyTable::TABLES,
];

/// The key of that name.
pub(in crate::config) fn find(name: &str) -> Option<&'static Known> {
    KEYS.iter().find(|key| key.name == name)
}

/// The property of librdkafka that a name stands for: in `[kafka]` that is every name but ringest's own.
pub(in crate::config) fn property(name: &str) -> Option<&str> {
    let property = name.strip_prefix("kafka.")?;
    find(name).is_none().then_some(property)
}

/// The name of the repeatable tables, if it is that.
pub(in crate::config) fn tables(name: &str) -> Option<&'static str> {
    TABLES.into_iter().flatten().find(|tables| *tables == name)
}

/// Whether keys can be below that name.
pub(in crate::config) fn is_section(name: &str) -> bool {
    name == "kafka"
        || KEYS.iter().any(|key| {
            key.name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        })
}

/// What other servers call an address, or a part of it.
const PARTS_OF_ADDRESS: [&str; 3] = ["bind", "host", "port"];

/// What an unknown key most likely means: a name of its own section, else a whole key.
pub(in crate::config) fn meant(unknown: &str) -> Option<&'static str> {
    let section = |name: &'static str| name.rsplit_once('.').unwrap_or(("", name));
    let (given_section, given) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    // The name may have the index of a table.
    let given_section = match given_section.split_once('[') {
        Some((tables, rest)) => {
            let below = rest.split_once(']').map_or("", |(_, below)| below);
            &format!("{tables}{below}")
        }
        None => given_section,
    };
    let names = || {
        let names = KEYS.iter().map(|key| key.name);
        names.chain(TABLES.into_iter().flatten())
    };
    // A variable of the environment with one underscore behind a section.
    let parts = |name: &str| name.replace('.', "_");
    if let Some(name) = names().find(|name| parts(name) == parts(unknown)) {
        return Some(name);
    }
    let siblings = names().map(section).filter(|(of, _)| *of == given_section);
    if let Some(name) = nearest(given, siblings.map(|(_, name)| name)) {
        return Some(name);
    }
    let (place, part) = (unknown.rsplit_once(['.', '_'])).unwrap_or(("listen", unknown));
    let addresses = [LISTEN_ADDRESS.name, MANAGEMENT_ADDRESS.name].into_iter();
    let mut addresses = addresses.filter(|name| section(name).0 == place);
    if PARTS_OF_ADDRESS.contains(&part) {
        return addresses.next();
    }
    // What is in a table that there is belongs there.
    tables(given_section).map_or(Some(()), |_| None)?;
    let name = nearest(given, names().map(|name| section(name).1))?;
    names().find(|key| section(key).1 == name)
}
