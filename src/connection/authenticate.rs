//! Who sends, before anything else is looked at.

use crate::{
    auth::{self, Denial, Principal},
    http::{Authorization, RequestHead},
    outcome::Refusal,
    worker::Serving,
};

use super::Connection;

impl Connection {
    /// The principal of the request whose head was just read.
    #[expect(
        clippy::unused_async,
        reason = "strangers will wait here for their verification"
    )]
    pub(super) async fn authenticate(
        &self,
        serving: &Serving,
        head: &RequestHead,
    ) -> Result<Principal, Refusal> {
        let Some(keys) = &serving.snapshot.keys else {
            return Ok(auth::anyone());
        };
        let token = match head.authorization {
            Authorization::Value(span) => span.of(self.head(head)),
            Authorization::Absent => return Err(Denial::Missing.into()),
            Authorization::Repeated => return Err(Denial::Repeated.into()),
        };
        let grant = keys.check(token, 0).and_then(auth::Check::verify)?;
        let _ = grant;
        Ok(auth::anyone())
    }
}
