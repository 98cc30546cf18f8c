//! What is logged of answers: no more than one line a second of each kind, so that a flood of refused
//! requests is no flood of lines.

use std::{cell::Cell, net::IpAddr};

use tracing::Level;

use crate::{
    auth::{self, AuthError},
    outcome::{Code, TABLE},
};

/// When each kind of line was last logged, in seconds of the worker's clock.
pub(super) struct AnswerLog {
    answers: [Cell<u64>; TABLE.len()],
    auth_errors: [Cell<u64>; AuthError::ALL.len()],
}

impl AnswerLog {
    pub(super) fn new() -> Self {
        Self {
            answers: std::array::from_fn(|_| Cell::new(0)),
            auth_errors: std::array::from_fn(|_| Cell::new(0)),
        }
    }

    /// Logs an answer whose level in the table of outcomes is `WARN` or `ERROR`, if it is the first
    /// of its code in this second.
    pub(super) fn answer<'r>(&self, second: u64, code: Code, route: impl FnOnce() -> &'r str) {
        let row = code.row();
        if row.level > Level::WARN || self.answers[code as usize].replace(second) == second {
            return;
        }
        let (route, code) = (route(), row.name);
        if row.level == Level::WARN {
            tracing::warn!(route, code, "answered {}: {}", row.status, row.detail);
        } else {
            tracing::error!(route, code, "answered {}: {}", row.status, row.detail);
        }
    }

    /// Logs why a credential was rejected: at `info` the first of its reason in a second, the others
    /// at `debug`; with a fingerprint of the token, never the token.
    pub(super) fn auth_error(&self, second: u64, error: AuthError, token: &[u8], peer: IpAddr) {
        let first = self.auth_errors[error as usize].replace(second) != second;
        let (reason, fingerprint) = (error.as_str(), || auth::fingerprint(token));
        if first {
            tracing::info!(reason, %peer, token = fingerprint(), "credential rejected");
        } else if tracing::enabled!(Level::DEBUG) {
            tracing::debug!(reason, %peer, token = fingerprint(), "credential rejected");
        }
    }
}
