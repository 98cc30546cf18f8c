//! `ringest topics`; what a mock cluster does not know, `tests/kafka` asks of a real one.

use super::{command, output, stderr, stdout};
use crate::support::mock::Mock;

/// With these brokers: the exit code, and what is written to stdout and stderr.
fn topics(mock: &Mock, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(&["topics", "--config", "config/dev.toml"]);
    command
        .args(arguments)
        .env("RINGEST_KAFKA__BOOTSTRAP_SERVERS", mock.brokers());
    let output = output(&mut command);
    let text = (stdout(&output).to_owned(), stderr(&output).to_owned());
    (output.status.code(), text.0, text.1)
}

#[test]
fn missing_topics_are_listed_as_such() {
    let mock = Mock::with_topics(&["orders", "PageView_1_0"]);
    let (code, listed, errors) = topics(&mock, &[]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{listed}");
    assert_eq!(
        listed,
        "\
TOPIC               EXISTS  PARTITIONS  REPLICATION_FACTOR  MAX_MESSAGE_BYTES  CLEANUP_POLICY
orders              yes     1           1                   -                  -
PageView_1_0        yes     1           1                   -                  -
PageViewDeadLetter  no      -           -                   -                  -
RawEvent_1_0        no      -           -                   -                  -
SensorReading_2_1   no      -           -                   -                  -
"
    );
}

#[test]
fn where_none_is_missing_none_is_created() {
    let mock = Mock::with_topics(&[
        "orders",
        "PageView_1_0",
        "PageViewDeadLetter",
        "RawEvent_1_0",
        "SensorReading_2_1",
    ]);
    let (code, _, errors) = topics(&mock, &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (code, said, errors) = topics(&mock, &["--create"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(said, "all topics exist on the brokers\n");
}

#[test]
fn numbers_are_for_topics_that_are_created() {
    for arguments in [
        &["topics", "--partitions", "3"][..],
        &["topics", "--create", "--partitions", "0"],
        &["topics", "--create", "--replication-factor", "10001"],
    ] {
        let output = output(&mut command(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
