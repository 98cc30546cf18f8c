//! What is logged of answers: no more than one line a second of each kind, so that a flood of refused
//! requests is no flood of lines.

use std::{borrow::Cow, net::IpAddr, sync::LazyLock};

use tracing::Level;

use crate::{
    auth::{self, AuthError},
    log::{Kind, Line},
    outcome::{Code, Row, TABLE},
};

/// By the code.
static ANSWERS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |row: &Row| {
        let name = format!("answered {} ({})", row.status, row.name);
        Kind::named(Cow::Owned(name), row.level)
    };
    TABLE.iter().map(kind).collect()
});

/// By the reason.
static REJECTIONS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |error: &AuthError| {
        let name = format!("credential rejected ({})", error.as_str());
        Kind::named(Cow::Owned(name), Level::INFO)
    };
    AuthError::ALL.iter().map(kind).collect()
});

/// Logs an answer whose level in the table of outcomes is `WARN` or `ERROR`, if a line of its code is due.
pub(super) fn answer<'r>(code: Code, route: impl FnOnce() -> &'r str) {
    let row = code.row();
    if row.level > Level::WARN {
        return;
    }
    let Some(Line { count }) = ANSWERS[code as usize].admit() else {
        return;
    };
    let (route, code) = (route(), row.name);
    if row.level == Level::WARN {
        tracing::warn!(
            count,
            route,
            code,
            "answered {}: {}",
            row.status,
            row.detail
        );
    } else {
        tracing::error!(
            count,
            route,
            code,
            "answered {}: {}",
            row.status,
            row.detail
        );
    }
}

/// Logs why a credential was rejected: at `info` if a line of its reason is due, else at `debug`; with a
/// fingerprint of the token, never the token.
pub(super) fn rejection(error: AuthError, token: &[u8], peer: IpAddr) {
    let (reason, fingerprint) = (error.as_str(), || auth::fingerprint(token));
    if let Some(Line { count }) = REJECTIONS[error as usize].admit() {
        tracing::info!(count, reason, %peer, token = fingerprint(), "credential rejected");
    } else if tracing::enabled!(Level::DEBUG) {
        tracing::debug!(reason, %peer, token = fingerprint(), "credential rejected");
    }
}
