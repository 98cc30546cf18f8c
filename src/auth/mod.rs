//! Authentication and authorization: the request head, the keys and the clock yield a [`Principal`], and
//! only a principal yields an [`AuthorizedRoute`].
//!
//! A credential is looked up in the cache of verified credentials of this worker ([`Cache`]). Otherwise
//! it is checked cheaply ([`KeySet::check`]) and, if it may be valid, verified at higher cost
//! ([`UnverifiedCredential::verify`]). Verification is rate-limited, so that unauthenticated clients can't
//! slow down clients with cached credentials.

mod api_key;
mod cache;
mod certificate;
mod error;
mod fetched_keys;
mod grant;
mod issuer;
mod issuer_keys;
mod json;
mod jwt;
mod key_set;
mod keys;
pub mod provider;
mod rejections;
mod settings;
mod verified;

pub use api_key::{ApiKey, HashError, KeyHash};
pub use cache::{Cache, Hint};
pub use certificate::{CertificateIdentity, CertificateRule};
pub use error::{AuthError, Denial};
pub use fetched_keys::{BURST, FetchedKeys, LookUp, REFILL, TOKEN_MEMORY, UnknownKey};
pub use grant::{Globs, Grant, Principal, Scope, Validity, anonymous};
pub use issuer::{ClaimQuota, Issuer, JwksUrl, KeySource};
pub use key_set::{KeySet, UnverifiedCredential};
pub use keys::{KeyError, LoadedKeys, VerificationKeys};
pub use rejections::Rejections;
pub use settings::{Auth, AuthMode};
pub use verified::{Verified, VerifyError};

use ring::digest::{SHA256, digest};

use crate::route::Route;

/// The fingerprint of a token for logs: distinguishes tokens, but does not help to forge one.
pub(crate) fn fingerprint(token: &[u8]) -> String {
    if token.is_empty() {
        return "-".to_owned();
    }
    let hash = digest(&SHA256, token);
    hash.as_ref()[..4]
        .iter()
        .fold(String::with_capacity(8), |text, byte| {
            text + &format!("{byte:02x}")
        })
}

/// A route that the principal is authorized for; required for producing.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedRoute<'r>(&'r Route);

impl<'r> AuthorizedRoute<'r> {
    /// The route.
    pub fn route(self) -> &'r Route {
        self.0
    }
}
