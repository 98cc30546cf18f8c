//! What a configuration says of the schema registry.

use std::{fmt, time::Duration};

/// A schema registry with Confluent's interface, as Redpanda and Apicurio have it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// What its paths are appended to: `http` or `https`, no credentials, no query, no slash at
    /// its end.
    pub url: String,
    /// For HTTP's Basic authentication; `None`: it is asked without.
    pub credentials: Option<Credentials>,
    /// The most that one question may take, from the look-up of the host to the answer's last byte.
    pub timeout: Duration,
}

/// A name and its password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Without a colon (RFC 7617 section 2).
    pub username: String,
    /// Any text.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
