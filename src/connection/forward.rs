//! What goes with the records of a request, and what they become.

use crate::{
    admission::Permit,
    auth::{AuthorizedRoute, Principal},
    buffer::Frozen,
    context::{ActiveSnapshot, Context, Facts},
    http::{RequestHead, field_value},
    metrics::RouteMetrics,
    model::{HeaderValue, KafkaHeader},
    networks::ClientAddress,
    outcome::Refusal,
    produce::{Delivered, Delivery, Failure, Headers},
    quota::Quotas,
    route::Route,
    validate::Rejection,
};

use super::Connection;

/// The longest value of a request's field that becomes a Kafka header, in bytes. A longer one is
/// left out, as a truncated value would be wrong.
const HEADER_VALUE_BYTES_MAX: usize = 1_024;

/// Where the records of a request go, and what they count for.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) route: AuthorizedRoute<'a>,
    pub(super) metrics: &'a RouteMetrics,
    pub(super) quotas: Quotas<'a>,
}

impl<'a> Destination<'a> {
    /// The route, if the principal is authorized for it.
    pub(super) fn new(
        active: &'a ActiveSnapshot,
        principal: &'a Principal,
        route: &'a Route,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            route: principal.authorize(route).ok_or(Refusal::RouteNotAllowed)?,
            metrics: active.metrics_of(route.index),
            quotas: Quotas {
                principal: principal.grant().allowance.as_ref(),
                route: route.quota.as_deref(),
            },
        })
    }
}

/// A validated body.
#[derive(Default)]
pub(super) struct Validated {
    /// Its valid records, enqueued; `None` if there are none.
    pub(super) delivery: Option<Enqueued>,
    /// Its invalid records, if there are any.
    pub(super) rejected: Option<Rejected>,
}

/// Enqueued records whose delivery reports are awaited. They are sent by the next dispatch.
pub(super) struct Enqueued {
    pub(super) count: usize,
    /// The index of their route.
    pub(super) route: usize,
    pub(super) body_bytes: usize,
    pub(super) delivery: Delivery,
}

/// The invalid records of a body.
pub(super) struct Rejected {
    pub(super) rejection: Rejection,
    /// The indices of the valid records, in their order.
    pub(super) valid: Vec<u32>,
    /// The body, where the route has a dead-letter topic. Its memory is covered by the permit here
    /// or, where the valid records are in it too, by that of their delivery.
    pub(super) body: Option<(Frozen, Option<Permit>)>,
    /// For the lists here, and the text of the answer that they become.
    pub(super) permit: Permit,
}

impl Connection {
    /// The Kafka headers of the request's records: the first value of a field that is repeated, and
    /// no header for a field that is absent or too long. Call it before reading the body, which may
    /// overwrite the head.
    pub(super) fn kafka_headers(
        &self,
        head: &RequestHead,
        facts: &Facts,
        principal: &Principal,
        route: &Route,
    ) -> Headers {
        let mut headers = Headers::default();
        let sender = principal.name().map(str::as_bytes);
        let sender = sender.filter(|name| name.len() <= HEADER_VALUE_BYTES_MAX);
        if let (Some(header), Some(sender)) = (&principal.grant().subject_header, sender) {
            headers.push(header, sender);
        }
        for KafkaHeader { name, value } in &route.model.kafka_headers {
            let address;
            let value = match value {
                HeaderValue::Constant(value) => Some(value.as_bytes()),
                HeaderValue::Request(field) => field_value(self.transport.head(head), field)
                    .filter(|value| value.len() <= HEADER_VALUE_BYTES_MAX),
                HeaderValue::Principal => sender,
                HeaderValue::RequestId => Some(facts.id.as_str().as_bytes()),
                HeaderValue::ClientAddress => match self.client.address() {
                    ClientAddress::Ip(ip) => {
                        address = ip.to_string();
                        Some(address.as_bytes())
                    }
                    ClientAddress::Unix => None,
                },
            };
            if let Some(value) = value {
                headers.push(name, value);
            }
        }
        headers
    }
}

impl Enqueued {
    pub(super) fn route(&self) -> usize {
        self.route
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    pub(super) fn records(&self) -> usize {
        self.count
    }

    /// Sends them, and what else is due.
    pub(super) fn dispatch(&self) {
        self.delivery.dispatch();
    }

    /// Whether the delivery reports need not be waited for.
    pub(super) fn has_ended(&self) -> bool {
        self.delivery.has_ended()
    }

    /// Waits for the delivery reports.
    pub(super) async fn end(
        self,
        context: &Context,
        metrics: &RouteMetrics,
    ) -> Result<Delivered, Failure> {
        let delivered = self.delivery.await;
        let delivered =
            delivered.inspect_err(|failure| context.undelivered(self.count, failure))?;
        metrics.records_delivered.add(delivered.records() as u64);
        Ok(delivered)
    }
}

/// An index as answers list it; no request has more records than that.
pub(super) fn index_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
