//! Issuers' keys at URLs, over real sockets: fetched, kept, replaced, and in time.

mod endpoint;
mod failures;
mod followed;
mod headers;
mod rig;
mod rotation;
mod served;

use std::time::Duration;

/// A refresh that no test lives to see.
const DAY: Duration = Duration::from_hours(24);

const SECOND: Duration = Duration::from_secs(1);
