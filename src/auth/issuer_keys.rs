//! An issuer with its keys, and the checks of its tokens.

use std::sync::Arc;

use jsonwebtoken::crypto;

use super::{
    AuthError, Denial, FetchedKeys, Globs, Grant, Issuer, KeySource, Scope, UnknownKey, Validity,
    VerificationKeys, Verified, VerifyError,
    jwt::Jwt,
    keys::{KeyIdentity, VerificationKey},
    verified::Proof,
};
use crate::{quota::Allowance, route::RouteTable};

/// An issuer with its keys.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    issuer: Arc<Issuer>,
    /// `None` if at a URL and not fetched yet.
    keys: Option<Arc<VerificationKeys>>,
    /// Where newer keys come from; `None` if the keys are not at a URL.
    fetched: Option<Arc<FetchedKeys>>,
}

/// A JWT whose signature is to be verified.
pub(super) struct CheckedJwt<'k> {
    jwt: Jwt<'k>,
    issuer: &'k Issuer,
    /// What is wrong with its claims, which mean nothing before the signature is verified.
    validity: Result<Validity, AuthError>,
    /// The key for its signature.
    key: &'k VerificationKey,
}

impl CheckedJwt<'_> {
    /// The identity of the key for its signature.
    pub(super) fn key_identity(&self) -> KeyIdentity {
        self.key.identity
    }

    /// Verifies the signature, unless it is known to be valid and the claims are not; returns the grant for
    /// these routes.
    pub(super) fn verify(
        self,
        routes: &RouteTable,
        is_authentic: bool,
    ) -> Result<Verified, Denial> {
        let Jwt {
            message,
            signature,
            algorithm,
            ..
        } = self.jwt;
        if is_authentic && self.validity.is_err() {
            return self.verified(routes);
        }
        match crypto::verify(signature, message, &self.key.key, algorithm) {
            Ok(true) => self.verified(routes),
            Ok(false) | Err(_) => Err(AuthError::Signature.into()),
        }
    }

    /// The grant; only for a token whose signature the key has verified.
    pub(super) fn verified(self, routes: &RouteTable) -> Result<Verified, Denial> {
        let (claims, issuer) = (&self.jwt.claims, self.issuer);
        let validity = self.validity.map_err(Denial::of_authentic)?;
        let scope = match &issuer.routes_claim {
            None => Scope::All,
            Some(claim) => {
                let globs = claims.globs(claim).map_err(Denial::of_authentic)?;
                Scope::new(&Globs::new(globs), routes)
            }
        };
        let name = claims.subject().map_err(Denial::of_authentic)?;
        let allowance = issuer.quota.as_ref().map(|quota| {
            let id = quota.buckets.id(claims.text(&quota.claim).as_deref());
            Allowance::Claim(Arc::clone(&quota.buckets), id)
        });
        let grant = Grant {
            name: name.map(Into::into),
            scope,
            validity,
            subject_header: issuer.subject_header.clone(),
            origins: None,
            allowance,
        };
        Ok(Verified {
            grant,
            proof: Proof::Signature(self.key.identity),
        })
    }
}

impl IssuerKeys {
    /// `fetched` has the keys if they are at a URL.
    pub(super) fn new(issuer: &Arc<Issuer>, fetched: Option<&Arc<FetchedKeys>>) -> Self {
        let (keys, fetched) = match &issuer.keys {
            KeySource::File(keys) => (Some(Arc::clone(keys)), None),
            KeySource::Url(_) => (fetched.and_then(|it| it.keys()), fetched.cloned()),
        };
        Self {
            issuer: Arc::clone(issuer),
            keys,
            fetched,
        }
    }

    /// All checks of a JWT except the signature, `token` is the whole of it. What is wrong with the claims is in
    /// the result where there is a key for the signature: forged tokens cost the same whatever they claim.
    pub(super) fn check<'k>(
        &'k self,
        jwt: Jwt<'k>,
        token: &str,
        now_ms: u64,
    ) -> Result<CheckedJwt<'k>, VerifyError> {
        let issuer = &*self.issuer;
        if !issuer.algorithms.contains(&jwt.algorithm) {
            return Err(AuthError::Algorithm.into());
        }
        let validity = jwt.claims.validate(issuer, now_ms);
        match (self.key(&jwt, token), validity) {
            (Ok(key), validity) => Ok(CheckedJwt {
                jwt,
                issuer,
                validity,
                key,
            }),
            // No key is fetched for it.
            (Err(_), Err(error)) => Err(error.into()),
            (Err(error), Ok(_)) => Err(error),
        }
    }

    /// The key for the signature of a token.
    fn key(&self, jwt: &Jwt<'_>, token: &str) -> Result<&VerificationKey, VerifyError> {
        let keys = self.keys.as_ref().ok_or(AuthError::KeysUnavailable)?;
        let kid = jwt.kid.as_deref();
        (keys.select(jwt.algorithm, kid)).map_err(|error| match &self.fetched {
            None => error.into(),
            Some(fetched) => VerifyError::UnknownKey(UnknownKey::new(fetched, keys, kid, token)),
        })
    }
}
