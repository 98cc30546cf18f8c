//! JWK sets at URLs, over real sockets: fetching, caching, rotation and timing.

mod endpoint;
mod failures;
mod followed;
mod headers;
mod rig;
mod rotation;
mod served;
mod waits;

use std::time::Duration;

/// A refresh interval that never elapses in a test.
const DAY: Duration = Duration::from_hours(24);

const SECOND: Duration = Duration::from_secs(1);
