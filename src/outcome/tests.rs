use std::collections::HashSet;

use super::*;

#[test]
fn the_table_is_whole_and_its_names_are_unique() {
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(row.code as usize, index, "{:?} is out of place", row.code);
    }
    assert_eq!(Code::DeadLetterRefused as usize + 1, TABLE.len());
    let names: HashSet<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
}

#[test]
fn a_retry_is_suggested_where_it_may_help_and_nowhere_else() {
    for row in &TABLE {
        assert_eq!(
            row.retry,
            [429, 503].contains(&row.status),
            "{:?}",
            row.code
        );
    }
}

#[test]
fn a_brokers_fault_is_never_a_4xx_but_for_what_a_lone_record_is() {
    let partial = || Persisted::Partial {
        delivered: vec![0],
        lost: vec![1],
        unknown: vec![],
    };
    for fault in [
        Fault::TimedOut,
        Fault::BrokerUnavailable,
        Fault::QueueFull,
        Fault::Draining,
        Fault::ProducerFatal,
        Fault::RecordTooLarge,
        Fault::NullKey,
        Fault::TimestampOutOfBounds,
        Fault::RecordRefused,
        Fault::TopicMissing,
        Fault::NotAuthorized,
    ] {
        let status = |persisted| {
            let failure = Failure { fault, persisted };
            Outcome::Refused(Refusal::Produce(failure))
                .code()
                .row()
                .status
        };
        let dead_letters = |persisted| {
            let failure = Failure { fault, persisted };
            let outcome = Outcome::Refused(Refusal::DeadLetters(failure));
            outcome.code().row().status
        };
        assert!(dead_letters(Persisted::No) >= 500 && dead_letters(partial()) >= 500);
        assert!(status(partial()) >= 500, "{fault:?}");
        assert_eq!(
            status(Persisted::No) < 500,
            matches!(
                fault,
                Fault::RecordTooLarge | Fault::NullKey | Fault::TimestampOutOfBounds
            ),
            "{fault:?}"
        );
    }
}
