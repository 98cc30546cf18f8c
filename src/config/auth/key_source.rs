//! The key source of an issuer: a PEM file, a JWK set or a secret.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;
use strum::VariantArray;
use ureq::http::Uri;

use super::{issuer::ALGORITHMS, read_key_file};
use crate::{
    auth::{JwksUrl, KeyError, KeySource, LoadedKeys, VerificationKeys},
    config::{
        key::{IssuerTable, Key},
        keys::{
            self, JWKS_FILE, JWKS_REFRESH, JWKS_STALE_MAX, JWKS_URL, PUBLIC_KEY_FILE, SECRET_FILE,
        },
        reader::{At, Reader, Table},
    },
};

/// What keys are read from.
#[derive(Clone, Copy, PartialEq, Eq, VariantArray)]
enum Source {
    Pem,
    JwkSet,
    Url,
    Secret,
}

impl Source {
    fn key(self) -> Key<Option<String>, IssuerTable> {
        match self {
            Self::Pem => PUBLIC_KEY_FILE,
            Self::JwkSet => JWKS_FILE,
            Self::Url => JWKS_URL,
            Self::Secret => SECRET_FILE,
        }
    }

    /// The name of its key in an issuer's table.
    fn name(self) -> &'static str {
        self.key().last_name()
    }
}

impl Reader {
    /// The key source of an issuer. A file is read if `algorithms` and `directory` are known.
    pub(super) fn key_source(
        &mut self,
        table: Table<IssuerTable>,
        algorithms: Option<&[Algorithm]>,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Option<KeySource> {
        let refresh = self.get_in(table, &JWKS_REFRESH);
        let stale_max = self.get_in(table, &JWKS_STALE_MAX);
        if !stale_max.is_zero() && stale_max < refresh {
            let message = format!("must be 0, or at least {}", JWKS_REFRESH.name);
            self.fail(table.at(&JWKS_STALE_MAX), message);
        }
        let (source, value) = self.only_source(table)?;
        let at = table.at(&source.key());
        if source == Source::Url {
            const ALLOWED: &str = "an https URL such as \"https://id.example.com/jwks.json\"; http to a \
                                   loopback address only";
            let is_good = self.is_secure_url(at, &value, ALLOWED);
            return is_good.then_some(KeySource::Url(JwksUrl {
                url: value,
                refresh,
                stale_max: (!stale_max.is_zero()).then_some(stale_max),
            }));
        }
        let algorithms = algorithms?;
        self.go_together(table, source, algorithms);
        let path = directory?.join(value);
        let keys = self.key_file(at, source, &path, algorithms);
        key_files.push(path);
        Some(KeySource::File(Arc::new(keys?)))
    }

    /// The one configured source and its value; none or several are an error.
    fn only_source(&mut self, table: Table<IssuerTable>) -> Option<(Source, String)> {
        let errors = self.raw.errors.len();
        let mut given = Vec::new();
        for source in Source::VARIANTS.iter().copied() {
            let value = self.get_in(table, &source.key());
            given.extend(value.map(|value| (source, value)));
        }
        match &given[..] {
            [(source, value)] => {
                for at in [table.at(&JWKS_REFRESH), table.at(&JWKS_STALE_MAX)] {
                    if *source != Source::Url && self.setting(at).is_some() {
                        let url = Source::Url.name();
                        self.fail(at, format!("has no effect without {url}"));
                    }
                }
                return Some((*source, value.clone()));
            }
            [] if self.raw.errors.len() == errors => {
                let sources = Source::VARIANTS.iter().map(|it| it.name());
                let sources = sources.collect::<Vec<_>>().join(", ");
                let message = format!("no key source: set one of {sources}");
                self.fail(table.itself(), message);
            }
            [] => {}
            [(first, _), others @ ..] => {
                let first = first.name();
                for (other, _) in others {
                    let message = format!(
                        "not allowed together with {first}: an issuer has one \
                        key source"
                    );
                    self.fail(table.at(&other.key()), message);
                }
            }
        }
        None
    }

    /// Reads a key file.
    fn key_file(
        &mut self,
        at: At,
        source: Source,
        path: &Path,
        algorithms: &[Algorithm],
    ) -> Option<VerificationKeys> {
        let shown = path.display();
        let bytes = match read_key_file(path) {
            Ok(bytes) => bytes,
            Err(error) if source == Source::Secret => {
                // The secret itself may stand where its file should be named.
                self.fail(at, format!("the file {error}"));
                return None;
            }
            Err(error) => {
                self.fail(at, format!("{shown} {error}"));
                return None;
            }
        };
        let loaded = match source {
            Source::Secret => VerificationKeys::from_secret(&bytes, algorithms).map(only),
            Source::JwkSet => VerificationKeys::from_jwks(&bytes, algorithms),
            Source::Pem => VerificationKeys::from_pem(&bytes, algorithms).map(only),
            Source::Url => return None,
        };
        match loaded {
            Ok(LoadedKeys { keys, skipped }) => {
                for line in skipped {
                    self.warn(at, format!("{shown}: {line}"));
                }
                Some(keys)
            }
            Err(KeyError(error)) => {
                self.fail(at, format!("{shown}: {error}"));
                None
            }
        }
    }

    /// Checks that the source can hold a key for each algorithm. (In a JWK set each key has its type.)
    fn go_together(&mut self, table: Table<IssuerTable>, source: Source, algorithms: &[Algorithm]) {
        let unfit = ALGORITHMS.iter().find(|(_, algorithm)| {
            let is_fit = match source {
                Source::Pem => !is_hmac(*algorithm),
                Source::Secret => is_hmac(*algorithm),
                Source::JwkSet | Source::Url => true,
            };
            !is_fit && algorithms.contains(algorithm)
        });
        if let Some((name, _)) = unfit {
            let needs = if source == Source::Pem {
                "a secret"
            } else {
                "a public key"
            };
            let source = source.name();
            let message = format!("\"{name}\" is not allowed with {source}: it needs {needs}");
            self.fail(table.at(keys::ALGORITHMS.key()), message);
        }
    }

    /// Whether it is a URL over https, or to this machine, without credentials.
    pub(in crate::config) fn is_secure_url(&mut self, at: At, url: &str, allowed: &str) -> bool {
        let uri = url.parse::<Uri>().ok().filter(|_| !url.contains('#'));
        let Some(uri) = uri else {
            self.refuse(at, allowed);
            return false;
        };
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            self.fail(at, "a URL with credentials is not allowed");
            return false;
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let is_good = match (uri.scheme_str(), host) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => is_loopback(host),
            _ => false,
        };
        if !is_good {
            self.refuse(at, allowed);
        }
        is_good
    }
}

fn only(keys: VerificationKeys) -> LoadedKeys {
    LoadedKeys {
        keys,
        skipped: Vec::new(),
    }
}

fn is_hmac(algorithm: Algorithm) -> bool {
    use Algorithm::{HS256, HS384, HS512};
    matches!(algorithm, HS256 | HS384 | HS512)
}

/// Whether a URL's host is certainly this machine.
pub(in crate::config) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}
