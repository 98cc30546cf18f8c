use std::rc::Rc;

use super::*;
use crate::{
    admission::{Admission, Holder},
    produce::Fault,
    validate::{Counting, Rejection, RejectionKind, Span},
};

/// Of five records 1 and 3 are invalid.
fn rejected(valid: &[u32]) -> Rejected {
    let span = Span { offset: 0, len: 1 };
    Rejected {
        rejection: Rejection {
            kind: RejectionKind::Invalid,
            errors: Vec::new(),
            errors_total: 2,
            counting: Counting::Complete,
            records: 5,
            invalid_records: vec![(1, span), (3, span)],
        },
        valid: valid.to_vec(),
        body: None,
        permit: Rc::new(Admission::new(0)).charge(Holder::UNKNOWN, 0),
    }
}

const VALID: &[u32] = &[0, 2, 4];

fn failed<T>(fault: Fault, persisted: Persisted) -> Result<T, Failure> {
    Err(Failure { fault, persisted })
}

fn partial(delivered: &[u32], lost: &[u32], unknown: &[u32]) -> Persisted {
    Persisted::Partial {
        delivered: delivered.to_vec(),
        lost: lost.to_vec(),
        unknown: unknown.to_vec(),
    }
}

#[test]
fn valid_and_delivered_records_are_accepted_in_part() {
    let delivered = || Some(Ok(Delivered::for_test(3)));
    let some = conclude(delivered(), rejected(VALID), Ok(()));
    assert!(matches!(some, Ok(Outcome::PartlyAccepted(some, _)) if some.records() == 3));
    let none = conclude(None, rejected(&[]), Ok(()));
    assert!(matches!(none, Err(Refusal::Invalid(it)) if it.errors_total == 2));
}

#[test]
fn a_lost_dead_letter_leaves_its_record_undelivered() {
    // The state of the dead letters says nothing about the records.
    let lost = || failed(Fault::TimedOut, Persisted::Unknown);
    let Err(Refusal::DeadLetters(failure)) = conclude(None, rejected(&[]), lost()) else {
        panic!("the dead letters are not delivered");
    };
    assert_eq!(failed::<()>(Fault::TimedOut, Persisted::No), Err(failure));
    let delivered = Some(Ok(Delivered::for_test(3)));
    let Err(Refusal::DeadLetters(failure)) = conclude(delivered, rejected(VALID), lost()) else {
        panic!("the dead letters are not delivered");
    };
    let expected = failed::<()>(Fault::TimedOut, partial(&[0, 2, 4], &[1, 3], &[]));
    assert_eq!(expected, Err(failure));
}

#[test]
fn indices_are_those_of_the_request() {
    let split = || Some(failed(Fault::QueueFull, partial(&[0], &[2], &[1])));
    let Err(Refusal::ProduceValid(failure, _)) = conclude(split(), rejected(VALID), Ok(())) else {
        panic!("the valid records are split");
    };
    assert_eq!(failure.persisted, partial(&[0], &[4], &[2]));
    let dead_letters = failed(Fault::TimedOut, Persisted::No);
    let Err(Refusal::Produce(failure)) = conclude(split(), rejected(VALID), dead_letters) else {
        panic!("neither is delivered");
    };
    let expected = failed::<()>(Fault::QueueFull, partial(&[0], &[1, 3, 4], &[2]));
    assert_eq!(expected, Err(failure));
}

#[test]
fn a_request_without_a_delivered_record_is_to_be_retried() {
    for persisted in [Persisted::No, Persisted::Unknown] {
        let lost = || Some(failed(Fault::TimedOut, persisted.clone()));
        for dead_letters in [Ok(()), failed(Fault::QueueFull, Persisted::No)] {
            let ended = conclude(lost(), rejected(VALID), dead_letters);
            let Err(Refusal::Produce(failure)) = ended else {
                panic!("it was not delivered");
            };
            let expected = failed::<()>(Fault::TimedOut, persisted.clone());
            assert_eq!(expected, Err(failure));
        }
    }
}
