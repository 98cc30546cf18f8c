//! From a request's body to valid records on their way to the topic.

use std::time::{Duration, Instant};

use monoio::time::sleep;

use crate::{
    admission::{AdmissionError, Permit},
    buffer::ReadBuffer,
    context::Context,
    metrics::RouteMetrics,
    outcome::Refusal,
    produce::{Delivery, Headers, Payloads, Slices},
    route::Route,
    validate::{Format, Rejection, Span, ValidBody, Validation},
};

use super::{
    Connection, Interrupt,
    body::RawBody,
    charge::take_records,
    forward::{Destination, Enqueued, Rejected, Validated, index_of},
};

/// Records that are enqueued at once, whatever the length of their body.
const FEW_RECORDS: usize = 4_096;

/// The same for the bytes of all keys.
const FEW_KEYS_BYTES: usize = 1 << 20;

/// How long a slice of a request's records waits for those of its topic that are to be sent before: brokers may be
/// slow, or have failed.
const BEHIND_TIME_MAX: Duration = Duration::from_millis(50);

/// Between two looks at them.
const PAUSE: Duration = Duration::from_millis(1);

/// What follows from a validation.
enum Prepared<'v> {
    Valid(Valid<'v>),
    /// Nothing is to be enqueued.
    Nothing(Validated),
}

/// The valid records of a body, before they are enqueued.
struct Valid<'v> {
    records: ValidBody<'v>,
    payloads: Payloads,
    body_bytes: usize,
    rejected: Option<Rejected>,
}

impl Connection {
    /// Validates a long body in slices. What it has found takes memory that all such validations share: the
    /// permit is for that.
    async fn validate_in_slices(
        &mut self,
        route: &Route,
        format: Format,
        body: &RawBody,
    ) -> Result<(Box<Validation>, Permit), Interrupt> {
        // Answers that are due do not wait for it.
        self.answer_unanswered().await?;
        let context = &self.context;
        let bytes = body.bytes(self.transport.input());
        let mut validation = Box::new(Validation::new(format));
        let mut permit = context.validation_lists.admit(self.holder, 0)?;
        loop {
            let slice = context.long_work.slice(self.holder.index()).await;
            let mut validator = context.validator.borrow_mut();
            while !slice.is_over() {
                let is_complete = validator.advance(&mut validation, bytes, &route.model.rules);
                permit.grow_to(validation.lists_bytes())?;
                if is_complete {
                    return Ok((validation, permit));
                }
            }
        }
    }

    /// Validates the body, and enqueues its valid records: all of them, or, where the model has
    /// `on_invalid = "accept_valid"`, those that are valid.
    pub(super) fn validate_and_enqueue(
        &mut self,
        to: Destination<'_>,
        format: Format,
        body: RawBody,
        headers: Headers,
    ) -> Result<Validated, Refusal> {
        let (input, context) = (self.transport.input_mut(), &self.context);
        let mut validator = context.validator.borrow_mut();
        let rules = &to.route.route().model.rules;
        let validated = validator.validate(body.bytes(input), format, rules);
        match Prepared::new(context, to, body, input, validated)? {
            Prepared::Nothing(validated) => Ok(validated),
            Prepared::Valid(valid) => valid.enqueue(context, to, headers),
        }
    }

    /// The same for a long body: in slices, with other requests served in between.
    pub(super) async fn validate_and_enqueue_long(
        &mut self,
        to: Destination<'_>,
        format: Format,
        body: RawBody,
        headers: Headers,
    ) -> Result<Validated, Interrupt> {
        let route = to.route.route();
        let (mut validation, _permit) = self.validate_in_slices(route, format, &body).await?;
        let (input, context) = (self.transport.input_mut(), &self.context);
        let validated = validation.result(&route.model.rules);
        Ok(match Prepared::new(context, to, body, input, validated)? {
            Prepared::Nothing(validated) => validated,
            Prepared::Valid(valid) if valid.are_few(route) => {
                valid.enqueue(context, to, headers)?
            }
            Prepared::Valid(valid) => {
                let client = self.holder.index();
                valid
                    .enqueue_in_slices(context, to, headers, client)
                    .await?
            }
        })
    }
}

impl<'v> Prepared<'v> {
    /// What of a validated body is to be enqueued, and the invalid records.
    fn new(
        context: &Context,
        Destination {
            route,
            metrics,
            quotas,
        }: Destination<'_>,
        mut body: RawBody,
        input: &mut ReadBuffer,
        validated: Result<ValidBody<'v>, Rejection>,
    ) -> Result<Self, Refusal> {
        let has_dead_letters = route.route().dead_letter_topic.is_some();
        let records = match validated {
            Ok(records) => records,
            Err(rejection) => {
                note_invalid(
                    context,
                    route.route(),
                    metrics,
                    &rejection,
                    body.bytes(input),
                );
                if !has_dead_letters {
                    return Err(rejection.into());
                }
                return Ok(Self::Nothing(nothing_valid(rejection, body, input)?));
            }
        };
        let count = records.len();
        metrics.records_received.add(count as u64);
        take_records(quotas, count)?;
        let mut rejected = None;
        if let Some(rejection) = records.rejection() {
            note_invalid(
                context,
                route.route(),
                metrics,
                rejection,
                body.bytes(input),
            );
            let valid: Vec<u32> = records.records().map(|it| index_of(it.index)).collect();
            rejected = Some(Rejected {
                permit: body.permit.another(lists_bytes(rejection, &valid))?,
                rejection: rejection.clone(),
                valid,
                body: has_dead_letters.then(|| (body.freeze(input), None)),
            });
        } else if count == 0 {
            return Ok(Self::Nothing(Validated::default()));
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
        Ok(Self::Valid(Valid {
            records,
            payloads,
            body_bytes,
            rejected,
        }))
    }
}

/// Counts invalid records, and keeps the first ones where samples are kept.
fn note_invalid(
    context: &Context,
    route: &Route,
    metrics: &RouteMetrics,
    rejection: &Rejection,
    body: &[u8],
) {
    let invalid = rejection.invalid_records.len() as u64;
    metrics.records_rejected.add(invalid);
    if let Some(samples) = &context.config.samples {
        samples.keep_invalid(&route.path, rejection, body);
    }
}

impl Valid<'_> {
    /// Whether enqueueing them takes no longer than a millisecond.
    fn are_few(&self, route: &Route) -> bool {
        let keys_bytes_max = match route.model.rules.partition_key {
            Some(_) => self.body_bytes,
            None => 0,
        };
        self.records.len() <= FEW_RECORDS && keys_bytes_max <= FEW_KEYS_BYTES
    }

    /// Enqueues them.
    fn enqueue(
        self,
        context: &Context,
        to: Destination<'_>,
        headers: Headers,
    ) -> Result<Validated, Refusal> {
        let (records, count) = (&self.records, self.records.len());
        let delivery = context
            .producer
            .collect(to.route, records, self.payloads, headers)?;
        let enqueued = enqueued(to, count, self.body_bytes, delivery);
        Ok(Validated {
            delivery: Some(enqueued),
            rejected: self.rejected,
        })
    }

    /// Enqueues them in slices.
    async fn enqueue_in_slices(
        self,
        context: &Context,
        to: Destination<'_>,
        headers: Headers,
        client: usize,
    ) -> Result<Validated, Refusal> {
        let (records, count) = (&self.records, self.records.len());
        let slices =
            context
                .producer
                .collect_in_slices(to.route, records, self.payloads, headers)?;
        let delivery = take_in(context, slices, client).await;
        let enqueued = enqueued(to, count, self.body_bytes, delivery);
        Ok(Validated {
            delivery: Some(enqueued),
            rejected: self.rejected,
        })
    }
}

fn enqueued(to: Destination<'_>, count: usize, body_bytes: usize, delivery: Delivery) -> Enqueued {
    Enqueued {
        count,
        route: to.route.route().index,
        body_bytes,
        delivery,
    }
}

/// Takes in the records of a long request. Where many of the topic's wait, those of other requests come in
/// between.
async fn take_in(context: &Context, mut slices: Slices<'_>, client: usize) -> Delivery {
    loop {
        let until = Instant::now() + BEHIND_TIME_MAX;
        while slices.should_wait() && Instant::now() < until {
            sleep(PAUSE).await;
        }
        let slice = context.long_work.slice(client).await;
        loop {
            if let Some(delivery) = slices.advance() {
                return delivery;
            }
            if slice.is_over() || slices.should_wait() {
                break;
            }
        }
        context.producer.dispatch(Instant::now());
    }
}

fn nothing_valid(
    rejection: Rejection,
    mut body: RawBody,
    input: &mut ReadBuffer,
) -> Result<Validated, Refusal> {
    let bytes = body.freeze(input);
    Ok(Validated {
        delivery: None,
        rejected: Some(Rejected {
            permit: body.permit.another(lists_bytes(&rejection, &[]))?,
            rejection,
            valid: Vec::new(),
            body: Some((bytes, Some(body.permit))),
        }),
    })
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
