//! `[auth.jwt]`, or several `[[auth.jwt]]`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;

use super::ISSUERS;
use crate::{
    auth::Issuer, config::reader::Reader, document::Value, excerpt::excerpt, model::Model,
};

/// Every algorithm that tokens may be signed with, by its name (RFC 7518 section 3.1, RFC 8037).
pub(super) const ALGORITHMS: [(&str, Algorithm); 12] = [
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
        let keys = self.key_source(table, algorithms.as_deref(), directory, key_files);
        Some(Issuer {
            issuer: issuer?.into(),
            audience: audience?.into(),
            algorithms: algorithms?,
            leeway_ms,
            routes_claim: routes_claim.map(String::into),
            required_claims,
            subject_header: subject_header.map(String::into),
            keys: keys?,
        })
    }

    fn some_text(&mut self, key: &str, allowed: &str) -> Option<String> {
        self.value(key, allowed, |value| {
            let text = value.text().filter(|text| !text.is_empty())?;
            Some(text.to_owned())
        })
    }

    /// `None` where it is empty.
    pub(super) fn text_or_none(&mut self, key: &str, allowed: &str) -> Option<String> {
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
