//! Who sends: head, keys and clock make a [`Principal`], and only a principal makes a route one that
//! may be produced to.
//!
//! A credential is looked up among those that this core has verified before ([`Cache`]), else looked
//! at cheaply ([`KeySet::check`]) and, if it might be good, verified at a cost ([`Check::verify`]),
//! which is budgeted, so that strangers never slow down those who are known.

mod api_key;
mod cache;
mod denial;
mod grant;
mod issuer;
mod json;
mod jwt;
mod key_set;
mod keys;
pub mod provider;
mod settings;

pub use api_key::{ApiKey, HashError, KeyHash};
pub use cache::{Cache, Hint};
pub use denial::Denial;
pub use grant::{Globs, Grant, Principal, Scope, Validity, anyone};
pub use issuer::{Issuer, JwksUrl, KeySource};
pub use key_set::{Check, Fetched, KeySet};
pub use keys::{KeyError, Loaded, VerificationKeys};
pub use settings::{Auth, AuthMode};

use ring::digest::{SHA256, digest};

use crate::route::Route;

/// What a log line may say of a token: enough to tell two apart, nothing that helps to make one.
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

/// A route that its principal may send to: what producing asks for.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedRoute<'r>(&'r Route);

impl<'r> AuthorizedRoute<'r> {
    /// The route.
    pub fn route(self) -> &'r Route {
        self.0
    }
}
