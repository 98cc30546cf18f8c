//! `[auth.jwt]`, or several `[[auth.jwt]]`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jsonwebtoken::Algorithm;

use crate::{
    auth::Issuer,
    config::{
        key::IssuerTable,
        keys::{self, AUDIENCE, ISSUER, LEEWAY, REQUIRED_CLAIMS, ROUTES_CLAIM, SUBJECT_HEADER},
        reader::{Reader, Table},
    },
    document::Value,
    excerpt::excerpt,
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

/// The allowed values of `algorithms`, for errors.
pub(in crate::config) fn allowed_algorithms() -> String {
    let names = ALGORITHMS.map(|(name, _)| name).join(", ");
    format!("an array of one or more of {names}")
}

/// The claims of `required_claims` and their expected values.
pub(in crate::config) fn required_claims(
    value: &Value,
) -> Option<Vec<(Box<str>, serde_json::Value)>> {
    let claims = value.table()?.into_iter();
    let claims = claims.map(|(name, value)| Some((name.into(), json(&value)?)));
    claims.collect()
}

impl Reader {
    /// The valid issuers; the others are reported as errors. Files that were read are added to
    /// `key_files`.
    pub(super) fn issuers(
        &mut self,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Vec<Arc<Issuer>> {
        let mut names = HashMap::new();
        let mut issuers = Vec::new();
        for table in self.tables() {
            let at = table.at(ISSUER.key());
            if let Some(name) = self.setting(at).and_then(|it| it.value.text()) {
                self.refuse_second(at, name.to_owned(), &mut names);
            }
            let issuer = self.issuer(table, directory, key_files);
            issuers.extend(issuer.map(Arc::new));
        }
        issuers
    }

    fn issuer(
        &mut self,
        table: Table<IssuerTable>,
        directory: Option<&Path>,
        key_files: &mut Vec<PathBuf>,
    ) -> Option<Issuer> {
        let issuer = self.require(table, &ISSUER);
        let audience = self.require(table, &AUDIENCE);
        let algorithms = self.algorithms(table);
        let leeway = self.get_in(table, &LEEWAY);
        let routes_claim = self.get_in(table, &ROUTES_CLAIM);
        let required_claims = self.get_in(table, &REQUIRED_CLAIMS);
        let subject_header = self.get_in(table, &SUBJECT_HEADER);
        let quota = self.claim_quota(table);
        let keys = self.key_source(table, algorithms.as_deref(), directory, key_files);
        Some(Issuer {
            issuer: issuer?.into(),
            audience: audience?.into(),
            algorithms: algorithms?,
            leeway_ms: u64::try_from(leeway.as_millis()).unwrap_or(u64::MAX),
            routes_claim: routes_claim.map(String::into),
            required_claims,
            subject_header: subject_header.map(String::into),
            quota,
            keys: keys?,
        })
    }

    fn algorithms(&mut self, table: Table<IssuerTable>) -> Option<Vec<Algorithm>> {
        let at = table.at(keys::ALGORITHMS.key());
        let mut algorithms = Vec::new();
        for given in self.require(table, &keys::ALGORITHMS)? {
            match ALGORITHMS.iter().find(|(name, _)| *name == given) {
                Some((_, algorithm)) if algorithms.contains(algorithm) => {
                    self.fail(at, format!("duplicate {given:?}"));
                }
                Some((_, algorithm)) => algorithms.push(*algorithm),
                None => {
                    let given = excerpt(given.as_bytes(), 60);
                    let allowed = allowed_algorithms();
                    self.fail(at, format!("\"{given}\" is not allowed: {allowed}"));
                    return None;
                }
            }
        }
        Some(algorithms)
    }
}

/// A scalar as JSON.
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
