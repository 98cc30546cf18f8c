//! What pages of other origins get: answers to preflights, and fields that let them read answers.

use std::borrow::Cow;

use crate::{
    context::ActiveSnapshot,
    http::{self, Method, RequestHead},
    outcome::{Outcome, Refusal},
};

use super::Connection;

impl Connection {
    /// The fields of the answer to the request with this head that let a page read it.
    pub(super) fn cors_fields(
        &self,
        active: &ActiveSnapshot,
        head: &RequestHead,
    ) -> Cow<'static, [u8]> {
        let Some(cors) = &active.snapshot.cors else {
            return Cow::default();
        };
        let bytes = self.transport.head(head);
        match preflight_origin(head, bytes) {
            Some(origin) => cors.preflight(origin),
            None => cors.answer(http::origin(bytes)),
        }
    }

    /// As [`Connection::cors_fields`], for a request whose head could not be read: as far as it has arrived.
    pub(super) fn cors_fields_of_rest(&self, active: &ActiveSnapshot) -> Cow<'static, [u8]> {
        match &active.snapshot.cors {
            Some(cors) => cors.answer(http::origin(self.transport.rest())),
            None => Cow::default(),
        }
    }

    /// How a preflight ends (Fetch standard, section "CORS-preflight request"): browsers send it without a
    /// credential. `None` for any other request.
    pub(super) fn preflight(
        &self,
        active: &ActiveSnapshot,
        head: &RequestHead,
    ) -> Option<Result<Outcome, Refusal>> {
        let cors = active.snapshot.cors.as_ref()?;
        let origin = preflight_origin(head, self.transport.head(head))?;
        Some(if cors.origins().allow(origin) {
            Ok(Outcome::Preflight)
        } else {
            Err(Refusal::Origin)
        })
    }
}

/// The origin that a preflight is for.
fn preflight_origin<'h>(head: &RequestHead, bytes: &'h [u8]) -> Option<&'h [u8]> {
    let is_preflight = head.method == Method::Options
        && http::field_value(bytes, "access-control-request-method").is_some();
    is_preflight.then(|| http::origin(bytes)).flatten()
}
