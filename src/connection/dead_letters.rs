//! Producing the dead letters of a request.

use crate::{
    admission::AdmissionError,
    buffer::segment_capacity,
    context::Context,
    dead_letter::DeadLetters,
    produce::{Failure, Fault},
};

use super::forward::{Destination, Rejected};

/// Produces dead letters for the invalid records, if the route has a topic for them, and waits for
/// their delivery reports. One part is delivered before the next is written, so that any number of
/// them takes little memory.
///
/// # Errors
/// At least one dead letter was not delivered, or may not have been.
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
    let mut dead_letters =
        DeadLetters::new(&model.topic, &rejected.rejection, body.bytes(), bytes_max);
    loop {
        let next = dead_letters.next(&mut context.validator.borrow_mut(), &model.rules);
        let Some((text, places)) = next else {
            return Ok(());
        };
        let permit = context.admission.admit(segment_capacity(text.len()));
        let full = |AdmissionError| Failure::before_enqueue(Fault::QueueFull);
        let permit = permit.map_err(full)?;
        let mut memory = context.pool.take(text.len());
        memory.append(&text);
        let memory = memory.freeze(0..text.len());
        drop(text);
        let producer = &context.producer;
        let delivered = match producer.enqueue_dead_letters(route, &places, memory, permit) {
            Ok(delivery) => delivery.await,
            Err(failure) => Err(failure),
        };
        let lost = |failure: &Failure| context.undelivered(places.len(), failure);
        let delivered = delivered.inspect_err(lost)?;
        metrics.dead_letters.add(delivered.records() as u64);
    }
}
