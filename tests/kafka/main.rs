//! End to end on a real Apache Kafka, or on the cluster that `RINGEST_TEST_BROKERS` names
//! (`host:port,…`): what was answered against what the topics hold.
//!
//! Without Java and Maven, and without that variable, every test is shown as ignored with the
//! reason; where `CI` is `true` that is a failure instead.

#[path = "../support/mod.rs"]
mod support;

mod beside;
mod bytes;
mod check;
mod load;
mod metadata;
mod outage;
mod refusals;
mod security;
mod three;
mod topics;
mod volume;

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Completion, Trial};
use support::{cluster::Cluster, jars::Jars, kafka::Kafka};

/// Tests at once, at most: brokers that start together slow each other down.
const THREADS_MAX: usize = 4;

/// A name, and what runs under it.
type Test<Needed> = (&'static str, fn(&Needed));

// CI runs those with `arrive` in their names on epoll too: they load the way of records and of their reports.

/// Tests that any cluster will do for; they share it and keep to topics of their own.
const ON_ANY_CLUSTER: &[Test<Cluster>] = &[
    ("one_record_arrives_as_it_was_sent", bytes::one_record),
    ("odd_records_arrive_as_they_were_sent", bytes::odd_records),
    ("array_elements_arrive_as_they_were_sent", bytes::array),
    ("lines_arrive_as_they_were_sent", bytes::lines),
    (
        "a_record_above_the_topics_limit_is_413",
        bytes::above_the_topics_limit,
    ),
    (
        "an_array_with_a_record_above_the_topics_limit",
        bytes::array_above_the_topics_limit,
    ),
    (
        "too_large_records_among_others",
        refusals::too_large_among_others,
    ),
    (
        "null_keys_on_a_compacted_topic",
        refusals::null_keys_on_a_compacted_topic,
    ),
    (
        "old_records_on_a_topic_with_bounds",
        refusals::old_records_on_a_topic_with_bounds,
    ),
    (
        "batches_stay_below_the_topics_limit",
        topics::batches_stay_below_the_topics_limit,
    ),
    (
        "times_are_held_to_the_topics_bounds",
        topics::times_are_held_to_the_topics_bounds,
    ),
    (
        "what_does_not_fit_is_logged",
        topics::what_does_not_fit_is_logged,
    ),
    ("missing_topics_are_named", check::missing_topics_are_named),
    (
        "missing_topics_are_created",
        check::missing_topics_are_created,
    ),
    (
        "what_does_not_fit_is_warned_of",
        check::what_does_not_fit_is_warned_of,
    ),
    ("100_000_single_records_arrive", volume::single_records),
    ("100_000_records_in_arrays_arrive", volume::arrays),
    (
        "sigterm_under_load_and_all_arrive",
        outage::sigterm_under_load,
    ),
];

/// Tests that stop, silence or configure a broker: each starts one of its own.
const ON_A_BROKER_OF_ITS_OWN: &[Test<Jars>] = &[
    ("a_missing_topic_is_our_fault", bytes::missing_topic),
    (
        "what_is_beside_a_record_as_java_reads_it",
        beside::as_java_reads_it,
    ),
    ("broker_absent_at_start", outage::absent_at_start),
    (
        "broker_killed_under_load_and_all_arrive",
        outage::killed_under_load,
    ),
    ("slow_metadata_alone", metadata::is_slow_alone),
    ("three_brokers", three::three_brokers),
    ("broker_silent", outage::silent),
    ("sasl_and_access_control", security::sasl_and_access_control),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.map(|it| it.min(THREADS_MAX));
    let jars = Jars::find();
    let external = env::var("RINGEST_TEST_BROKERS")
        .ok()
        .filter(|brokers| !brokers.is_empty());
    if env::var("CI").is_ok_and(|ci| ci == "true")
        && external.is_none()
        && let Err(reason) = &jars
    {
        eprintln!("no broker to test on: {reason}");
        return ExitCode::FAILURE;
    }

    // Started here, not by the first test: a process ends with the thread that started it.
    let node = match (&external, &jars) {
        (None, Ok(jars)) if !arguments.list => Some(Kafka::start(jars)),
        _ => None,
    };
    let shared = match (&node, &external, &jars) {
        (Some(node), ..) => Ok(node.cluster().brokers()),
        (None, Some(brokers), _) => Ok(brokers.as_str()),
        (None, None, Ok(_)) => Err("only listed".to_owned()),
        (None, None, Err(reason)) => Err(reason.clone()),
    };
    let shared = shared.map(|brokers| Cluster::new(&[("bootstrap.servers", brokers)]));
    let shared = shared.map(Arc::new);
    let jars = match external {
        Some(_) => {
            Err("RINGEST_TEST_BROKERS is set, and this test needs a broker to break".to_owned())
        }
        None => jars,
    };

    let mut trials: Vec<Trial> = Vec::new();
    for (name, test) in ON_ANY_CLUSTER {
        trials.push(trial(name, shared.clone(), move |cluster| test(&cluster)));
    }
    for (name, test) in ON_A_BROKER_OF_ITS_OWN {
        trials.push(trial(name, jars.clone(), move |jars| test(&jars)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test of what it needs, or the reason why that is missing.
fn trial<T: Send + 'static>(
    name: &str,
    needed: Result<T, String>,
    test: impl FnOnce(T) + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match needed {
        Ok(needed) => {
            test(needed);
            Ok(Completion::Completed)
        }
        Err(reason) => Ok(Completion::ignored_with(reason)),
    })
}
