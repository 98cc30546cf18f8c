//! The settings of the schema registry.

use std::{fmt, time::Duration};

/// A schema registry with Confluent's interface, which Redpanda and Apicurio implement too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// Base URL: `http` or `https`, without credentials, query and trailing slash.
    pub url: String,
    /// For HTTP Basic authentication; `None`: no authentication.
    pub credentials: Option<Credentials>,
    /// Time limit of a request, from the DNS look-up to the last byte of the response.
    pub timeout: Duration,
}

/// User name and password. `Debug` shows neither.
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
