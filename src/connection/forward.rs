//! What a request's body becomes: records on their way to the topic, letters about those that are
//! not valid, and from how both end the request's outcome.

use crate::{
    admission::{InFlightFull, Permit},
    auth::{AuthorizedRoute, Principal},
    buffer::{Frozen, ReadBuffer, segment_capacity},
    context::Context,
    dead_letter::Letters,
    http::{RequestHead, field_value},
    metrics::RouteMetrics,
    model::{HeaderValue, KafkaHeader},
    outcome::{Outcome, Refusal},
    produce::{Delivered, Delivery, Failure, Fault, Headers, Payloads, Persisted},
    route::Route,
    validate::{Format, Rejection, Span, ValidBody},
};

use super::{Connection, body::RawBody};

/// The longest value of a request's field that becomes a Kafka header, in bytes; a longer one is
/// left out, as half a value is none.
const HEADER_VALUE_BYTES_MAX: usize = 1_024;

/// Where the records of a request go, and what is counted of them.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) route: AuthorizedRoute<'a>,
    pub(super) metrics: &'a RouteMetrics,
}

/// A validated body.
pub(super) struct Validated {
    /// Its valid records, enqueued; `None` if there are none.
    pub(super) delivery: Option<Enqueued>,
    /// What is not valid.
    pub(super) rejected: Option<Rejected>,
}

/// Records that librdkafka has.
pub(super) struct Enqueued {
    count: usize,
    delivery: Delivery,
}

/// The part of a body that is not valid, and its body.
pub(super) struct Rejected {
    rejection: Rejection,
    /// The indices of the valid records, in their order.
    valid: Vec<u32>,
    /// Where letters are to be written about the others. What pays for its memory is the permit
    /// here, or, where the records are in there too, that of their delivery.
    body: Option<(Frozen, Option<Permit>)>,
}

impl Connection {
    /// The headers that the request's records shall carry: of a field that came several times the
    /// first value; none for one that is absent or too long. To be called before the body is read,
    /// which may take the place of the head.
    pub(super) fn kafka_headers(
        &self,
        head: &RequestHead,
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
            let value = match value {
                HeaderValue::Constant(value) => Some(value.as_bytes()),
                HeaderValue::Request(field) => field_value(self.transport.head(head), field)
                    .filter(|value| value.len() <= HEADER_VALUE_BYTES_MAX),
                HeaderValue::Principal => sender,
            };
            if let Some(value) = value {
                headers.push(name, value);
            }
        }
        headers
    }

    /// Validates the body and enqueues its valid records, if its model lets them go without the
    /// others.
    pub(super) fn validate_and_enqueue(
        &mut self,
        Destination { route, metrics }: Destination<'_>,
        format: Format,
        mut body: RawBody,
        headers: &Headers,
    ) -> Result<Validated, Refusal> {
        let (input, context) = (self.transport.input_mut(), &self.context);
        let Route {
            model,
            dead_letter_topic,
            ..
        } = route.route();
        let mut validator = context.validator.borrow_mut();
        let records = match validator.validate(body.bytes(input), format, &model.rules) {
            Ok(records) => records,
            Err(rejection) => {
                let invalid = rejection.invalid_records.len() as u64;
                metrics.records_rejected.add(invalid);
                if dead_letter_topic.is_none() {
                    return Err(rejection.into());
                }
                return Ok(Validated::nothing_valid(rejection, body, input));
            }
        };
        let count = records.len();
        metrics.records_received.add(count as u64);
        let mut rejected = None;
        if let Some(rejection) = records.rejection() {
            let invalid = rejection.invalid_records.len() as u64;
            metrics.records_rejected.add(invalid);
            rejected = Some(Rejected {
                rejection: rejection.clone(),
                valid: records.records().map(|it| index_of(it.index)).collect(),
                body: dead_letter_topic.map(|_| (body.freeze(input), None)),
            });
        } else if count == 0 {
            return Ok(Validated {
                delivery: None,
                rejected: None,
            });
        }
        let (payloads, permit) = payloads(context, route.route(), body, input, &records)?;
        if let Some(Rejected {
            body: Some((_, pays)),
            ..
        }) = &mut rejected
        {
            *pays = permit;
        }
        let enqueued = context.producer.enqueue(route, &records, payloads, headers);
        let delivery = enqueued.inspect_err(|failure| context.undelivered(count, failure))?;
        Ok(Validated {
            delivery: Some(Enqueued { count, delivery }),
            rejected,
        })
    }
}

impl Enqueued {
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
    fn nothing_valid(rejection: Rejection, mut body: RawBody, input: &mut ReadBuffer) -> Self {
        let bytes = body.freeze(input);
        Self {
            delivery: None,
            rejected: Some(Rejected {
                rejection,
                valid: Vec::new(),
                body: Some((bytes, Some(body.permit))),
            }),
        }
    }
}

/// The records as librdkafka shall get them, and the body's permit where it does not go with them.
fn payloads(
    context: &Context,
    route: &Route,
    body: RawBody,
    input: &mut ReadBuffer,
    records: &ValidBody<'_>,
) -> Result<(Payloads, Option<Permit>), InFlightFull> {
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
    // Where there are others, what is before a record may be one that a letter is to be about.
    if let Some(record) = only_record(records) {
        let start = range.start + record.offset as usize;
        let place = start..start + record.len as usize;
        match Payloads::prefixed_in_place(prefix, buffer, place, permit) {
            Ok(payloads) => return Ok((payloads, None)),
            Err(unused) => permit = unused,
        }
    }
    let (pool, admission) = (&context.pool, &context.admission);
    let body = buffer.bytes(range);
    let payloads = Payloads::prefixed_copies(prefix, body, records, pool, admission)?;
    Ok((payloads, Some(permit)))
}

/// The record of a body that has no other, good or bad.
fn only_record(records: &ValidBody<'_>) -> Option<Span> {
    let mut spans = records.records().map(|record| record.span);
    spans
        .next()
        .filter(|_| records.len() == 1 && records.rejection().is_none())
}

/// Writes letters about what is not valid, if the route has a topic for them, and waits until the
/// brokers have them. A part of them after the other, so that they take little memory, however many
/// they are.
///
/// # Errors
/// Some are not known to be in their topic.
pub(super) async fn produce_dead_letters(
    context: &Context,
    Destination { route, metrics }: Destination<'_>,
    rejected: &Rejected,
) -> Result<(), Failure> {
    let Some((body, _)) = &rejected.body else {
        return Ok(());
    };
    let model = &route.route().model;
    let bytes_max = context.producer.record_bytes_max();
    let mut letters = Letters::new(&model.topic, &rejected.rejection, body.bytes(), bytes_max);
    loop {
        let next = letters.next(&mut context.validator.borrow_mut(), &model.rules);
        let Some((text, places)) = next else {
            return Ok(());
        };
        let permit = context.admission.admit(segment_capacity(text.len()));
        let full = |InFlightFull| Failure::before_enqueue(Fault::QueueFull);
        let permit = permit.map_err(full)?;
        let mut memory = context.pool.take(text.len());
        memory.append(&text);
        let memory = memory.freeze(0..text.len());
        drop(text);
        let producer = &context.producer;
        let delivered = match producer.enqueue_letters(route, &places, memory, permit) {
            Ok(delivery) => delivery.await,
            Err(failure) => Err(failure),
        };
        let lost = |failure: &Failure| context.undelivered(places.len(), failure);
        let delivered = delivered.inspect_err(lost)?;
        metrics.dead_letters.add(delivered.records() as u64);
    }
}

/// From how records and letters ended to what the client is told.
pub(super) fn conclude(
    delivered: Option<Result<Delivered, Failure>>,
    rejected: Option<Rejected>,
    letters: Result<(), Failure>,
) -> Result<Outcome, Refusal> {
    let Some(Rejected {
        rejection, valid, ..
    }) = rejected
    else {
        return Ok(match delivered {
            Some(delivered) => Outcome::Accepted(delivered?),
            None => Outcome::Empty,
        });
    };
    let invalid = || {
        rejection
            .invalid_records
            .iter()
            .map(|(index, _)| index_of(*index))
    };
    match (delivered, letters) {
        (None, Ok(())) => Err(rejection.into()),
        (None, Err(failure)) => Err(Refusal::DeadLetters(Failure {
            persisted: Persisted::No,
            ..failure
        })),
        (Some(Ok(delivered)), Ok(())) => Ok(Outcome::PartlyAccepted(delivered, rejection)),
        (Some(Ok(_)), Err(failure)) => Err(Refusal::DeadLetters(Failure {
            persisted: Persisted::Partial {
                delivered: valid,
                lost: invalid().collect(),
                unknown: Vec::new(),
            },
            ..failure
        })),
        (Some(Err(failure)), letters) => {
            let mut failure = failure.with_indices(&valid);
            match (&mut failure.persisted, letters) {
                (Persisted::Partial { .. }, Ok(())) => {
                    return Err(Refusal::ProduceValid(failure, Box::new(rejection)));
                }
                // Sent again, they may get their letters.
                (Persisted::Partial { lost, .. }, Err(_)) => {
                    lost.extend(invalid());
                    lost.sort_unstable();
                }
                (Persisted::No | Persisted::Unknown, _) => {}
            }
            Err(failure.into())
        }
    }
}

/// As answers have it: no request has more records than that.
fn index_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
