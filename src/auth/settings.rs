//! The authentication settings of a configuration.

use std::{path::PathBuf, sync::Arc};

use super::{ApiKey, CertificateRule, Issuer};

/// Authentication settings.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether authentication is required.
    pub mode: AuthMode,
    /// Maximum verified credentials in the cache of each worker.
    pub cache_entries: usize,
    /// The accepted issuers; their `issuer`s are unique.
    pub issuers: Vec<Arc<Issuer>>,
    /// The accepted API keys; their names and hashes are unique.
    pub api_keys: Vec<ApiKey>,
    /// Clients that authenticate by a certificate; their identities are unique.
    pub certificates: Vec<CertificateRule>,
    /// The files that keys were read from; a change of one triggers a reload.
    pub key_files: Vec<PathBuf>,
}

/// Whether requests need a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AuthMode {
    /// A valid token or API key is needed.
    Required,
    /// No credential is needed.
    None,
}
