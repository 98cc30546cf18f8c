//! Where an issuer's keys are: a PEM, a JWK set, a secret.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;
use ureq::http::Uri;

use super::{issuer::ALGORITHMS, read_key_file};
use crate::{
    auth::{JwksUrl, KeyError, KeySource, Loaded, VerificationKeys},
    config::reader::Reader,
};

/// Where keys can be.
const PEM: &str = "public_key_file";
const JWKS: &str = "jwks_file";
const URL: &str = "jwks_url";
const SECRET: &str = "secret_file";
const SOURCES: [&str; 4] = [PEM, JWKS, URL, SECRET];

impl Reader {
    /// Where the keys of the issuer in a table are, and those of a file: it is read if it is known
    /// what for, and where it is.
    pub(super) fn key_source(
        &mut self,
        table: &str,
        algorithms: Option<&[Algorithm]>,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Option<KeySource> {
        let refresh = self.milliseconds(&format!("{table}.jwks_refresh_ms"));
        let (source, value) = self.only_source(table)?;
        let key = format!("{table}.{source}");
        if source == URL {
            let is_good = self.is_jwks_url(&key, &value);
            return is_good.then_some(KeySource::Url(JwksUrl {
                url: value,
                refresh,
            }));
        }
        let algorithms = algorithms?;
        self.go_together(table, source, algorithms);
        let path = directory?.join(value);
        let keys = self.key_file(&key, source, &path, algorithms);
        key_files.push(path);
        Some(KeySource::File(Arc::new(keys?)))
    }

    /// The only source that is given, and its value.
    fn only_source(&mut self, table: &str) -> Option<(&'static str, String)> {
        let errors = self.raw.errors.len();
        let mut given = Vec::new();
        for source in SOURCES {
            let allowed = if source == URL {
                "a URL"
            } else {
                "the path of a file"
            };
            if let Some(value) = self.text_or_none(&format!("{table}.{source}"), allowed) {
                given.push((source, value));
            }
        }
        let refresh = format!("{table}.jwks_refresh_ms");
        match &given[..] {
            [(source, value)] => {
                if *source != URL && self.is_set(&refresh) {
                    self.fail(&refresh, format!("of no use without {URL}"));
                }
                return Some((source, value.clone()));
            }
            [] if self.raw.errors.len() == errors => {
                let sources = SOURCES.join(", ");
                self.fail(table, format!("its keys are missing: set one of {sources}"));
            }
            [] => {}
            [(first, _), others @ ..] => {
                for (other, _) in others {
                    let message = format!("not allowed beside {first}: an issuer has one of them");
                    self.fail(&format!("{table}.{other}"), message);
                }
            }
        }
        None
    }

    /// Reads a file of keys.
    fn key_file(
        &mut self,
        key: &str,
        source: &str,
        path: &Path,
        algorithms: &[Algorithm],
    ) -> Option<VerificationKeys> {
        let shown = path.display();
        let bytes = match read_key_file(path) {
            Ok(bytes) => bytes,
            Err(error) if source == SECRET => {
                // The secret itself may stand where its file should be named.
                self.fail(key, format!("the file {error}"));
                return None;
            }
            Err(error) => {
                self.fail(key, format!("{shown} {error}"));
                return None;
            }
        };
        let loaded = match source {
            SECRET => VerificationKeys::from_secret(&bytes, algorithms).map(only),
            JWKS => VerificationKeys::from_jwks(&bytes, algorithms),
            _ => VerificationKeys::from_pem(&bytes, algorithms).map(only),
        };
        match loaded {
            Ok(Loaded { keys, left_out }) => {
                for line in left_out {
                    self.warn(key, format!("{shown}: {line}"));
                }
                Some(keys)
            }
            Err(KeyError(error)) => {
                self.fail(key, format!("{shown}: {error}"));
                None
            }
        }
    }

    /// A file of one kind can't hold a key for each algorithm. (In a JWK set each key has its kind.)
    fn go_together(&mut self, table: &str, source: &str, algorithms: &[Algorithm]) {
        let unfit = ALGORITHMS.iter().find(|(_, algorithm)| {
            let is_fit = match source {
                PEM => !is_hmac(*algorithm),
                SECRET => is_hmac(*algorithm),
                _ => true,
            };
            !is_fit && algorithms.contains(algorithm)
        });
        if let Some((name, _)) = unfit {
            let needs = if source == PEM {
                "a secret"
            } else {
                "a public key"
            };
            let message = format!("\"{name}\" is not allowed with {source}: it needs {needs}");
            self.fail(&format!("{table}.algorithms"), message);
        }
    }

    fn is_jwks_url(&mut self, key: &str, url: &str) -> bool {
        const ALLOWED: &str = "an https URL such as \"https://id.example.com/jwks.json\"; http to a \
                               loopback address only";
        let uri = url.parse::<Uri>().ok().filter(|_| !url.contains('#'));
        let Some(uri) = uri else {
            self.refuse(key, ALLOWED);
            return false;
        };
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            self.fail(key, "a URL with credentials is not allowed".to_owned());
            return false;
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let is_good = match (uri.scheme_str(), host) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => is_loopback(host),
            _ => false,
        };
        if !is_good {
            self.refuse(key, ALLOWED);
        }
        is_good
    }
}

fn only(keys: VerificationKeys) -> Loaded {
    Loaded {
        keys,
        left_out: Vec::new(),
    }
}

fn is_hmac(algorithm: Algorithm) -> bool {
    use Algorithm::{HS256, HS384, HS512};
    matches!(algorithm, HS256 | HS384 | HS512)
}

/// Whether a URL's host is this machine for sure.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}
