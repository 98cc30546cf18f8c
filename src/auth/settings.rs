//! What a configuration says of authentication.

use std::{path::PathBuf, sync::Arc};

use super::{ApiKey, Issuer};

/// Who may send.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether it matters.
    pub mode: AuthMode,
    /// Verified credentials that each worker remembers at most.
    pub cache_entries: usize,
    /// Whose tokens are taken; no two have the same `issuer`.
    pub issuers: Vec<Arc<Issuer>>,
    /// Which keys are; no two have the same name or hash.
    pub api_keys: Vec<ApiKey>,
    /// The files that keys were read from: when one changes, all is read again.
    pub key_files: Vec<PathBuf>,
}

/// Whether senders are asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AuthMode {
    /// Whoever has a good token or key.
    Required,
    /// Anyone who reaches the port may send.
    None,
}
