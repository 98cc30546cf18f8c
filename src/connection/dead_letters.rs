//! Producing the dead letters of a request.

use std::time::Instant;

use monoio::time::timeout_at;

use crate::{
    admission::{AdmissionError, Permit},
    buffer::segment_capacity,
    context::Context,
    dead_letter::{DeadLetters, Part},
    model::Rules,
    produce::{Delivered, Failure, Fault, Persisted},
};

use super::forward::{Destination, Rejected};

/// Produces dead letters for the invalid records, if the route has a topic for them, and waits for
/// their delivery reports. One part is delivered before the next is written, so that any number of
/// them takes little memory. After half of the time that a delivery may take, no further record gets
/// one of its own.
///
/// # Errors
/// At least one dead letter was not delivered, or may not have been.
pub(super) async fn produce_dead_letters(
    context: &Context,
    destination: Destination<'_>,
    rejected: &Rejected,
) -> Result<(), Failure> {
    let Some((body, _)) = &rejected.body else {
        return Ok(());
    };
    let (route, metrics) = (destination.route.route(), destination.metrics);
    let bytes_max = context.producer.record_bytes_max();
    let mut dead_letters = DeadLetters::new(
        &route.model.topic,
        &rejected.rejection,
        body.bytes(),
        bytes_max,
    );
    let (start, most) = (Instant::now(), context.config.timeouts.ack);
    let result = loop {
        if start.elapsed() > most / 2 {
            dead_letters.end();
        }
        let records_left = dead_letters.records_left();
        let rules = &route.model.rules;
        let delivered = match write_part(context, &mut dead_letters, rules, &rejected.permit).await
        {
            Ok((part, _)) if part.places.is_empty() => break Ok(()),
            Ok((part, permit)) => deliver(context, destination, part, permit, start + most).await,
            Err(AdmissionError) => Err(Failure::before_enqueue(Fault::QueueFull)),
        };
        match delivered {
            Ok(delivered) => metrics.dead_letters.add(delivered.records() as u64),
            Err(failure) => {
                metrics.dead_letters_omitted.add(records_left as u64);
                break Err(failure);
            }
        }
    };
    if result.is_ok() {
        let omitted = dead_letters.records_left() as u64;
        metrics.dead_letters_omitted.add(omitted);
    }
    result
}

/// The next part, empty behind the last one, and the permit for its memory, from the budget of the request's.
async fn write_part(
    context: &Context,
    dead_letters: &mut DeadLetters<'_>,
    rules: &Rules,
    request: &Permit,
) -> Result<(Part, Permit), AdmissionError> {
    let mut part = Part::default();
    let mut permit = request.another(0)?;
    loop {
        let slice = context.long_work.slice(request.holder().index()).await;
        let mut validator = context.validator.borrow_mut();
        let mut is_complete = false;
        while !is_complete && !slice.is_over() {
            is_complete = part.is_full() || !dead_letters.next(&mut part, &mut validator, rules);
        }
        if !part.text.is_empty() {
            permit.grow_to(segment_capacity(part.text.len()))?;
        }
        if is_complete {
            return Ok((part, permit));
        }
    }
}

/// Delivers a part, whose memory the permit is for, by `until`.
async fn deliver(
    context: &Context,
    destination: Destination<'_>,
    Part { text, places }: Part,
    permit: Permit,
    until: Instant,
) -> Result<Delivered, Failure> {
    let mut memory = context.pool.take(text.len());
    memory.append(&text);
    let memory = memory.freeze(0..text.len());
    drop(text);
    let delivery =
        context
            .producer
            .enqueue_dead_letters(destination.route, &places, memory, permit)?;
    let delivered = timeout_at(until.into(), delivery)
        .await
        .unwrap_or(Err(Failure {
            fault: Fault::TimedOut,
            persisted: Persisted::Unknown,
        }));
    delivered.inspect_err(|failure| context.undelivered(places.len(), failure))
}
