//! From a request's body to valid records on their way to the topic.

use crate::{
    admission::{AdmissionError, Permit},
    auth::{AuthorizedRoute, Principal},
    buffer::{Frozen, ReadBuffer},
    context::{Context, Facts},
    http::{RequestHead, field_value},
    metrics::RouteMetrics,
    model::{HeaderValue, KafkaHeader},
    outcome::Refusal,
    produce::{Delivered, Delivery, Failure, Headers, Payloads},
    route::Route,
    validate::{Format, Rejection, Span, ValidBody, Validation},
};

use super::{Connection, Interrupt, body::RawBody};

/// The longest value of a request's field that becomes a Kafka header, in bytes. A longer one is
/// left out, as a truncated value would be wrong.
const HEADER_VALUE_BYTES_MAX: usize = 1_024;

/// Where the records of a request go, and what is counted of them.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) route: AuthorizedRoute<'a>,
    pub(super) metrics: &'a RouteMetrics,
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
    count: usize,
    /// The index of their route.
    route: usize,
    body_bytes: usize,
    delivery: Delivery,
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
                HeaderValue::ClientAddress => {
                    address = self.client.address().to_string();
                    Some(address.as_bytes())
                }
            };
            if let Some(value) = value {
                headers.push(name, value);
            }
        }
        headers
    }

    /// Validates a long body: in slices, with other requests served in between. What it has found so far takes
    /// memory that all such validations share.
    pub(super) async fn validate_long(
        &mut self,
        route: &Route,
        format: Format,
        body: &RawBody,
    ) -> Result<Box<Validation>, Interrupt> {
        // Answers that are due do not wait for it.
        self.answer_unanswered().await?;
        let context = &self.context;
        let bytes = body.bytes(self.transport.input());
        let mut validation = Box::new(Validation::new(format));
        let mut permit = context.validation_lists.admit(self.holder, 0)?;
        loop {
            let slice = context.long_work.slice().await;
            let mut validator = context.validator.borrow_mut();
            while !slice.is_over() {
                if validator.advance(&mut validation, bytes, &route.model.rules) {
                    // No other validation goes on before its result is used.
                    return Ok(validation);
                }
                permit.grow_to(validation.lists_bytes())?;
            }
        }
    }

    /// Validates the body, unless `validation` has done so, and enqueues its valid records: all of them, or,
    /// where the model has `on_invalid = "accept_valid"`, those that are valid.
    pub(super) fn validate_and_enqueue(
        &mut self,
        Destination { route, metrics }: Destination<'_>,
        format: Format,
        mut body: RawBody,
        mut validation: Option<Box<Validation>>,
        headers: Headers,
    ) -> Result<Validated, Refusal> {
        let (input, context) = (self.transport.input_mut(), &self.context);
        let Route {
            model,
            dead_letter_topic,
            ..
        } = route.route();
        let mut validator = context.validator.borrow_mut();
        let validated = match &mut validation {
            None => validator.validate(body.bytes(input), format, &model.rules),
            Some(validation) => validation.result(&model.rules),
        };
        let records = match validated {
            Ok(records) => records,
            Err(rejection) => {
                let invalid = rejection.invalid_records.len() as u64;
                metrics.records_rejected.add(invalid);
                if dead_letter_topic.is_none() {
                    return Err(rejection.into());
                }
                return Validated::nothing_valid(rejection, body, input);
            }
        };
        let count = records.len();
        metrics.records_received.add(count as u64);
        let mut rejected = None;
        if let Some(rejection) = records.rejection() {
            let invalid = rejection.invalid_records.len() as u64;
            metrics.records_rejected.add(invalid);
            let valid: Vec<u32> = records.records().map(|it| index_of(it.index)).collect();
            rejected = Some(Rejected {
                permit: body.permit.another(lists_bytes(rejection, &valid))?,
                rejection: rejection.clone(),
                valid,
                body: dead_letter_topic.map(|_| (body.freeze(input), None)),
            });
        } else if count == 0 {
            return Ok(Validated::default());
        }
        let body_bytes = body.range.len();
        let (payloads, permit) = payloads(context, route.route(), body, input, &records)?;
        if let Some(Rejected {
            body: Some((_, body_permit)),
            ..
        }) = &mut rejected
        {
            *body_permit = permit;
        }
        let collected = context.producer.collect(route, &records, payloads, headers);
        let delivery = collected.inspect_err(|failure| context.undelivered(count, failure))?;
        let route = route.route().index;
        Ok(Validated {
            delivery: Some(Enqueued {
                count,
                route,
                body_bytes,
                delivery,
            }),
            rejected,
        })
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

impl Validated {
    fn nothing_valid(
        rejection: Rejection,
        mut body: RawBody,
        input: &mut ReadBuffer,
    ) -> Result<Self, Refusal> {
        let bytes = body.freeze(input);
        Ok(Self {
            delivery: None,
            rejected: Some(Rejected {
                permit: body.permit.another(lists_bytes(&rejection, &[]))?,
                rejection,
                valid: Vec::new(),
                body: Some((bytes, Some(body.permit))),
            }),
        })
    }
}

/// What the lists of a request with invalid records take until it is answered, and the answer.
fn lists_bytes(rejection: &Rejection, valid: &[u32]) -> usize {
    let errors = rejection.errors.iter().map(|error| {
        let expected = error.expected.as_ref().map_or(0, String::len);
        size_of_val(error) + error.path.len() + error.message.len() + expected
    });
    2 * errors.sum::<usize>() + size_of_val(&*rejection.invalid_records) + size_of_val(valid)
}

/// The records as librdkafka gets them, and the body's permit where they do not take it along.
fn payloads(
    context: &Context,
    route: &Route,
    body: RawBody,
    input: &mut ReadBuffer,
    records: &ValidBody<'_>,
) -> Result<(Payloads, Option<Permit>), AdmissionError> {
    let RawBody {
        mut segment,
        range,
        mut permit,
    } = body;
    let buffer = segment.as_mut().unwrap_or(input);
    let Some(prefix) = route.schema_prefix else {
        let payloads = Payloads::as_received(buffer.freeze(range), permit);
        return Ok((payloads, None));
    };
    // Where there are several, the bytes before a record may belong to an invalid one, which its
    // dead letter needs.
    if let Some(record) = only_record(records) {
        let start = range.start + record.offset as usize;
        let place = start..start + record.len as usize;
        match Payloads::prefixed_in_place(prefix, buffer, place, permit) {
            Ok(payloads) => return Ok((payloads, None)),
            Err(unused) => permit = unused,
        }
    }
    let body = buffer.bytes(range);
    let payloads = Payloads::prefixed_copies(prefix, body, records, &context.pool, &permit)?;
    Ok((payloads, Some(permit)))
}

/// The record of a body that has no other, valid or invalid.
fn only_record(records: &ValidBody<'_>) -> Option<Span> {
    let mut spans = records.records().map(|record| record.span);
    spans
        .next()
        .filter(|_| records.len() == 1 && records.rejection().is_none())
}

/// An index as answers list it; no request has more records than that.
pub(super) fn index_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
