//! The outcome of a request with invalid records.

use crate::{
    outcome::{Outcome, Refusal},
    produce::{Delivered, Failure, Persisted},
};

use super::forward::{Rejected, index_of};

/// The outcome of a request, from the deliveries of its records and of its dead letters.
pub(super) fn conclude(
    delivered: Option<Result<Delivered, Failure>>,
    Rejected {
        rejection, valid, ..
    }: Rejected,
    dead_letters: Result<(), Failure>,
) -> Result<Outcome, Refusal> {
    let invalid = || {
        rejection
            .invalid_records
            .iter()
            .map(|(index, _)| index_of(*index))
    };
    match (delivered, dead_letters) {
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
        (Some(Err(failure)), dead_letters) => {
            let mut failure = failure.with_indices(&valid);
            match (&mut failure.persisted, dead_letters) {
                (Persisted::Partial { .. }, Ok(())) => {
                    return Err(Refusal::ProduceValid(failure, Box::new(rejection)));
                }
                // A retry may deliver their dead letters.
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

#[cfg(test)]
mod tests;
