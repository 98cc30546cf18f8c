//! Values of `[kafka]` that are in files: certificates, keys and passwords, which are replaced while ringest runs.
//!
//! librdkafka would read them whenever it opens a handle. They are read here instead, all at one time, so that
//! every handle has the same ones, and a file that is broken later does no harm.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use super::{Given, Reader, find};
use crate::{
    config::{
        auth::read_key_file,
        keys::{
            SASL_PASSWORD_FILE, SASL_USERNAME_FILE, SSL_KEY_PASSWORD_FILE,
            SSL_KEYSTORE_PASSWORD_FILE,
        },
    },
    document::Setting,
};

/// Properties that name a file, those that take its content, and the PEM block that it must have.
const CONTENTS: [(&str, &str, &str); 3] = [
    (
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "CERTIFICATE",
    ),
    ("ssl.key.location", "ssl.key.pem", "PRIVATE KEY"),
    ("ssl.ca.location", "ssl.ca.pem", "CERTIFICATE"),
];

/// Properties that name a file whose content no other takes.
const BY_NAME: [&str; 2] = ["ssl.crl.location", "ssl.keystore.location"];

/// A value by which librdkafka looks for the certificates of the system.
const PROBE: &str = "probe";

/// The files that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Files {
    /// The keys that name them, and their paths.
    pub(in crate::config) named: Vec<(String, PathBuf)>,
    /// Of the contents of those that librdkafka reads again.
    pub(in crate::config) digest: u64,
}

/// Replaces the properties that name a file by their contents, and adds those of ringest's own keys, whose
/// files are relative to `directory`; if it is `None` no file is read.
pub(super) fn read(reader: &mut Reader, given: &mut Vec<Given>, directory: Option<&Path>) -> Files {
    let mut files = Files::default();
    let Some(directory) = directory else {
        return files;
    };
    for (location, content, block) in CONTENTS {
        let name = reader.raw.canonical(location).to_owned();
        let Some(it) = given.iter_mut().find(|it| it.canonical == name) else {
            continue;
        };
        let path = PathBuf::from(&it.value);
        if it.value == PROBE || path.is_dir() {
            continue;
        }
        match pem(&path, block) {
            Ok(text) => {
                files.named.push((it.setting.key.clone(), path));
                content.clone_into(&mut it.name);
                content.clone_into(&mut it.canonical);
                it.value = text;
            }
            Err(message) => reader.raw.errors.push(it.setting.error(message)),
        }
    }
    let mut digest = DefaultHasher::new();
    for name in BY_NAME {
        let Some(it) = find(reader, given, name) else {
            continue;
        };
        let path = PathBuf::from(&it.value);
        match read_key_file(&path) {
            Ok(content) => content.hash(&mut digest),
            Err(error) => {
                let message = format!("{} {error}", path.display());
                reader.raw.errors.push(it.setting.error(message));
            }
        }
        files.named.push((it.setting.key.clone(), path));
    }
    files.digest = digest.finish();
    secrets(reader, given, directory, &mut files);
    files
}

/// The content of a PEM file.
fn pem(path: &Path, block: &str) -> Result<String, String> {
    let shown = path.display();
    let content = read_key_file(path).map_err(|error| format!("{shown} {error}"))?;
    let text = String::from_utf8(content).unwrap_or_default();
    if text.contains("-----BEGIN ") && text.contains(&format!("{block}-----")) {
        return Ok(text);
    }
    Err(format!("{shown} has no PEM block {block}"))
}

/// Adds the secrets that are in files.
fn secrets(reader: &mut Reader, given: &mut Vec<Given>, directory: &Path, files: &mut Files) {
    for (key, property) in [
        (SASL_USERNAME_FILE, "sasl.username"),
        (SASL_PASSWORD_FILE, "sasl.password"),
        (SSL_KEY_PASSWORD_FILE, "ssl.key.password"),
        (SSL_KEYSTORE_PASSWORD_FILE, "ssl.keystore.password"),
    ] {
        let Some(name) = reader.get(&key) else {
            continue;
        };
        if find(reader, given, property).is_some() {
            reader.fail(
                key.at(),
                format!("not allowed together with kafka.{property}"),
            );
            continue;
        }
        let path = directory.join(name);
        match secret(&path) {
            Ok(value) => given.push(Given {
                canonical: reader.raw.canonical(property).to_owned(),
                name: property.to_owned(),
                value,
                setting: Setting::clone(reader.setting(key.at()).expect("it has a value")),
            }),
            Err(error) => reader.fail(key.at(), error),
        }
        files.named.push((key.name.to_owned(), path));
    }
}

/// The secret in a file: its content without the line end, which most editors write.
pub(super) fn secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let content = read_key_file(path).map_err(|error| format!("{shown} {error}"))?;
    let text = String::from_utf8(content).map_err(|_| format!("{shown} is not UTF-8"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text.to_owned())
}
