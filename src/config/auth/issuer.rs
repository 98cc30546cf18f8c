//! `[auth.jwt]`, or several `[[auth.jwt]]`.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;
use ureq::http::Uri;

use super::{ISSUERS, read_key_file};
use crate::{
    auth::{Issuer, JwksUrl, KeyError, KeySource, Loaded, VerificationKeys},
    config::{Value, reader::Reader},
    excerpt::excerpt,
    model::Model,
};

/// Every algorithm that tokens may be signed with, by its name (RFC 7518 section 3.1, RFC 8037).
const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
];

/// Where keys can be.
const PEM: &str = "public_key_file";
const JWKS: &str = "jwks_file";
const URL: &str = "jwks_url";
const SECRET: &str = "secret_file";
const SOURCES: [&str; 4] = [PEM, JWKS, URL, SECRET];

impl Reader {
    /// Issuers that are good as far as can be told; the files that were read are added to
    /// `key_files`.
    pub(super) fn issuers(
        &mut self,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Vec<Arc<Issuer>> {
        let mut names = HashMap::new();
        let mut issuers = Vec::new();
        for table in self.tables(ISSUERS) {
            let key = format!("{table}.issuer");
            if let Some(name) = self.entry(&key).and_then(|entry| entry.value.text()) {
                self.refuse_second(&key, name.to_owned(), &mut names);
            }
            let issuer = self.issuer(&table, directory, key_files);
            issuers.extend(issuer.map(Arc::new));
        }
        issuers
    }

    fn issuer(
        &mut self,
        table: &str,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Option<Issuer> {
        let key = |name: &str| format!("{table}.{name}");
        let issuer = self.some_text(&key("issuer"), "the `iss` of the tokens");
        let audience = self.some_text(&key("audience"), "what the `aud` of the tokens must name");
        let algorithms = self.algorithms(&key("algorithms"));
        let leeway_ms = self.integer(&key("leeway_ms")) as u64;
        let routes_claim = self.text_or_none(&key("routes_claim"), "the name of a claim");
        let required_claims = self.required_claims(&key("required_claims"));
        let subject_header = self.subject_header(&key("subject_header"));
        let refresh = self.milliseconds(&key("jwks_refresh_ms"));
        let source = self.key_source(table);
        let algorithms = algorithms?;
        let keys = match source? {
            (URL, url) => {
                let is_good = self.is_jwks_url(&key(URL), &url);
                is_good.then(|| KeySource::Url(JwksUrl { url, refresh }))
            }
            (source, file) => {
                self.go_together(table, source, &algorithms);
                let path = directory?.join(file);
                let keys = self.key_file(&key(source), source, &path, &algorithms);
                key_files.push(path);
                keys.map(|keys| KeySource::File(Arc::new(keys)))
            }
        }?;
        Some(Issuer {
            issuer: issuer?.into(),
            audience: audience?.into(),
            algorithms,
            leeway_ms,
            routes_claim: routes_claim.map(String::into),
            required_claims,
            subject_header: subject_header.map(String::into),
            keys,
        })
    }

    fn some_text(&mut self, key: &str, allowed: &str) -> Option<String> {
        self.value(key, allowed, |value| {
            let text = value.text().filter(|text| !text.is_empty())?;
            Some(text.to_owned())
        })
    }

    /// `None` where it is empty.
    fn text_or_none(&mut self, key: &str, allowed: &str) -> Option<String> {
        let allowed = format!("{allowed}, or \"\" for none");
        let text = self.value(key, &allowed, |value| Some(value.text()?.to_owned()));
        text.filter(|text| !text.is_empty())
    }

    fn algorithms(&mut self, key: &str) -> Option<Vec<Algorithm>> {
        let names = ALGORITHMS.map(|(name, _)| name).join(", ");
        let allowed = format!("an array of one or more of {names}");
        let given = self.value(key, &allowed, |value| {
            value.list().filter(|names| !names.is_empty())
        })?;
        let mut algorithms = Vec::new();
        for given in given {
            match ALGORITHMS.iter().find(|(name, _)| *name == given) {
                Some((_, algorithm)) if algorithms.contains(algorithm) => {
                    self.fail(key, format!("{given:?} is there twice"));
                }
                Some((_, algorithm)) => algorithms.push(*algorithm),
                None => {
                    let given = excerpt(given.as_bytes(), 60);
                    self.fail(key, format!("\"{given}\" is not allowed: {allowed}"));
                    return None;
                }
            }
        }
        Some(algorithms)
    }

    fn required_claims(&mut self, key: &str) -> Vec<(Box<str>, serde_json::Value)> {
        const ALLOWED: &str = "a table of claims with the strings, numbers or booleans that they \
                               must be, such as { tenant = \"acme\" }";
        let claims = self.value(key, ALLOWED, |value| {
            let claims = value.table()?.into_iter();
            let claims = claims.map(|(name, value)| Some((name.into(), json(&value)?)));
            claims.collect::<Option<Vec<_>>>()
        });
        claims.unwrap_or_default()
    }

    fn subject_header(&mut self, key: &str) -> Option<String> {
        let allowed = format!(
            "the name of a Kafka header, of at most {} bytes, or \"\" for none",
            Model::HEADER_NAME_BYTES_MAX
        );
        let header = self.value(key, &allowed, |value| {
            let name = value.text()?;
            (name.len() <= Model::HEADER_NAME_BYTES_MAX).then(|| name.to_owned())
        });
        header.filter(|name| !name.is_empty())
    }

    /// The only source that is given, and its value.
    fn key_source(&mut self, table: &str) -> Option<(&'static str, String)> {
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

    /// Whether a file of one kind can hold a key for each algorithm. (In a JWK set each key has its
    /// kind.)
    fn go_together(&mut self, table: &str, source: &str, algorithms: &[Algorithm]) -> bool {
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
        unfit.is_none()
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

/// A scalar as JSON has it.
fn json(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Text(text) => Some(text.as_str().into()),
        Value::Boolean(boolean) => Some((*boolean).into()),
        Value::Integer(integer) => match (i64::try_from(*integer), u64::try_from(*integer)) {
            (Ok(integer), _) => Some(integer.into()),
            (_, Ok(integer)) => Some(integer.into()),
            _ => None,
        },
        Value::Float(float) => {
            let float = serde_json::Number::from_f64(float.parse().ok()?)?;
            Some(serde_json::Value::Number(float))
        }
        _ => None,
    }
}
