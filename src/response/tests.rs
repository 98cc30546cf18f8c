use serde_json::{Value, json};

use super::*;
use crate::{
    http::HeadError,
    produce::{Delivered, Failure, Fault, Persisted},
    validate::{Counting, ErrorCode, Rejection, RejectionKind, Span},
};

const DATE: &[u8; HTTP_DATE_BYTES] = b"Sun, 06 Nov 1994 08:49:37 GMT";

const FORM: Form<'_> = Form {
    persistence: Persistence::Keep,
    head_only: false,
    date: *DATE,
    fields: &[],
    request_id: "an-id",
};

fn written(outcome: &Outcome, persistence: Persistence, head_only: bool) -> (String, String) {
    let mut out = Vec::new();
    let form = Form {
        persistence,
        head_only,
        ..FORM
    };
    Responses::new().write(outcome, form, &mut out);
    let text = String::from_utf8(out).expect("answers are UTF-8");
    let (head, content) = text.split_once("\r\n\r\n").expect("a blank line");
    (head.to_owned(), content.to_owned())
}

fn refusal(fault: Fault, persisted: Persisted) -> Outcome {
    Outcome::Refused(Refusal::Produce(Failure { fault, persisted }))
}

#[test]
fn every_code_has_a_reason_phrase_and_a_true_length() {
    let responses = Responses::new();
    for code in TABLE.iter().map(|row| row.code) {
        let status = code.row().status;
        assert_ne!(reason(status), "", "{code:?}");
        let mut out = Vec::new();
        responses.plain[code as usize][0].write(FORM, &mut out);
        let answer = String::from_utf8(out).expect("answers are UTF-8");
        let (head, content) = answer.split_once("\r\n\r\n").expect("a blank line");
        assert!(head.contains("\r\nX-Request-Id: an-id"), "{head}");
        if status == 204 {
            assert_eq!((content, head.contains("Content-")), ("", false), "{head}");
            continue;
        }
        let length = format!("\r\nContent-Length: {}\r\n", content.len());
        assert!(head.contains(&length), "{head}");
        let content: Value = serde_json::from_str(content).expect("JSON");
        let id = (status >= 400).then(|| json!("an-id"));
        assert_eq!(content.get("request_id"), id.as_ref());
    }
}

/// What a page may read of it, and what identifies it.
#[test]
fn more_fields_are_the_last_ones_of_a_head() {
    let form = Form {
        fields: b"Vary: Origin\r\n",
        ..FORM
    };
    let mut out = Vec::new();
    Responses::new().write(&Outcome::Healthy, form, &mut out);
    let answer = String::from_utf8(out).expect("answers are UTF-8");
    let end = "\r\nVary: Origin\r\nX-Request-Id: an-id\r\n\r\n{\"status\":\"ok\"}";
    assert!(answer.ends_with(end), "{answer}");
}

/// As the fields of draft-ietf-httpapi-ratelimit-headers-10: the window is that in which the bucket fills.
#[test]
fn an_answer_of_a_quota_says_which_and_when() {
    use crate::quota::{Bucket, Quota, Quotas};
    use std::time::Duration;

    for (amounts, burst_ms, taken, unit, expected) in [
        (
            [5, 0, 0],
            1_000,
            5,
            Unit::Requests,
            "Retry-After: 1\r\nRateLimit-Policy: \"route-requests\";q=5;w=1\r\n\
             RateLimit: \"route-requests\";r=0;t=1\r\n",
        ),
        (
            [0, 10, 0],
            2_500,
            125,
            Unit::Records,
            "Retry-After: 11\r\nRateLimit-Policy: \"route-records\";q=30;w=3;qu=\"records\"\r\n\
             RateLimit: \"route-records\";r=0;t=11\r\n",
        ),
        (
            [0, 0, Quota::PER_SECOND_MAX],
            Quota::BURST_MS_MAX,
            u64::MAX,
            Unit::Bytes,
            "RateLimit-Policy: \"route-bytes\";q=360000000000000;w=3600;qu=\"content-bytes\"\r\n",
        ),
    ] {
        let quota = Quota::new(amounts, Duration::from_millis(burst_ms));
        let bucket = Bucket::new(quota);
        let quotas = Quotas {
            principal: None,
            route: Some(&bucket),
        };
        // The largest amount is not a whole request's.
        for _ in 0..if taken == u64::MAX { 20_000 } else { 1 } {
            quotas.owe(unit, taken, 0);
        }
        let error = quotas.take(&[(unit, 1)], 0).expect_err("nothing is left");
        let (head, content) = written(&Outcome::Refused(error.into()), Persistence::Keep, false);
        assert!(format!("{head}\r\n").contains(expected), "{head}");
        assert!(
            head.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
            "{head}"
        );
        assert_eq!(head.matches("Retry-After").count(), 1, "{head}");
        let content: Value = serde_json::from_str(&content).expect("JSON");
        let code = ["requests", "records", "bytes"][unit as usize];
        assert_eq!(content["code"], format!("route_{code}_exceeded"));
        assert_eq!(content["persisted"], "no");
    }
}

#[test]
fn an_answer_carries_date_and_connection() {
    let (head, content) = written(&Outcome::Healthy, Persistence::Close, false);
    assert_eq!(content, r#"{"status":"ok"}"#);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    let (head, _) = written(&Outcome::Healthy, Persistence::Keep, false);
    assert!(!head.contains("Connection"), "{head}");
}

#[test]
fn head_gets_the_fields_without_the_content() {
    let (with, content) = written(&Outcome::Healthy, Persistence::Keep, false);
    let (without, nothing) = written(&Outcome::Healthy, Persistence::Keep, true);
    assert_eq!((with, nothing.as_str()), (without, ""));
    assert!(!content.is_empty());
}

#[test]
fn a_split_request_says_which_records_are_where() {
    let persisted = Persisted::Partial {
        delivered: vec![0, 3],
        lost: vec![1],
        unknown: vec![2],
    };
    let outcome = refusal(Fault::TimedOut, persisted);
    let (head, content) = written(&outcome, Persistence::Keep, false);
    assert!(head.contains("\r\nRetry-After: "), "{head}");
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["persisted"], "partial");
    assert_eq!(
        (&problem["delivered"], &problem["not_delivered"]),
        (&json!([0, 3]), &json!([1]))
    );
    assert_eq!(problem["unknown"], json!([2]));
}

/// Two of three errors reported, in one of two records.
fn rejection() -> Rejection {
    let error = |column, code, expected: Option<&str>| crate::validate::ValidationError {
        index: 1,
        offset: 9 + column,
        line: 2,
        column,
        path: "$.items[3].price".to_owned(),
        code,
        expected: expected.map(str::to_owned),
        message: "expected a price".to_owned(),
    };
    Rejection {
        kind: RejectionKind::Invalid,
        errors: vec![
            error(1, ErrorCode::WrongType, Some("Decimal(10, 2)")),
            error(4, ErrorCode::MissingField, None),
        ],
        errors_total: 3,
        counting: Counting::Complete,
        records: 2,
        invalid_records: vec![(1, Span { offset: 9, len: 30 })],
    }
}

fn errors() -> Value {
    json!([
        {
            "index": 1, "offset": 10, "line": 2, "column": 1, "path": "$.items[3].price",
            "code": "wrong_type", "expected": "Decimal(10, 2)", "message": "expected a price"
        },
        {
            "index": 1, "offset": 13, "line": 2, "column": 4, "path": "$.items[3].price",
            "code": "missing_field", "expected": null, "message": "expected a price"
        }
    ])
}

#[test]
fn a_request_that_was_accepted_in_part_says_which_records_are_refused() {
    let outcome = Outcome::PartlyAccepted(Delivered::for_test(7), rejection());
    let (head, content) = written(&outcome, Persistence::Keep, false);
    assert!(head.starts_with("HTTP/1.1 207 Multi-Status\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/json\r\n"),
        "{head}"
    );
    let content: Value = serde_json::from_str(&content).expect("JSON");
    let expected = json!({"accepted": 7, "rejected": 1, "errors": errors(), "errors_total": 3});
    assert_eq!(content, expected);
}

#[test]
fn a_refused_request_says_how_many_records_and_how_many_are_invalid() {
    let outcome = Outcome::Refused(rejection().into());
    let (head, content) = written(&outcome, Persistence::Keep, false);
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(
        (&problem["records"], &problem["rejected"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(problem["errors"], errors());
    assert_eq!(problem["errors_total"], 3);

    let unreadable = Rejection {
        records: 0,
        ..rejection()
    };
    let (_, content) = written(
        &Outcome::Refused(unreadable.into()),
        Persistence::Keep,
        false,
    );
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(
        (problem.get("records"), problem.get("rejected")),
        (None, None)
    );
}

#[test]
fn a_split_request_with_rejected_records_says_both() {
    let failure = Failure {
        fault: Fault::TimedOut,
        persisted: Persisted::Partial {
            delivered: vec![0],
            lost: vec![],
            unknown: vec![2],
        },
    };
    let outcome = Outcome::Refused(Refusal::ProduceValid(failure, Box::new(rejection())));
    let (head, content) = written(&outcome, Persistence::Keep, false);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(problem["persisted"], "partial");
    assert_eq!(
        (&problem["delivered"], &problem["unknown"]),
        (&json!([0]), &json!([2]))
    );
    assert_eq!(
        (&problem["rejected"], &problem["errors"]),
        (&json!(1), &errors())
    );
}

#[test]
fn prebuilt_and_particular_problems_agree() {
    let (head, content) = written(
        &refusal(Fault::QueueFull, Persisted::No),
        Persistence::Keep,
        false,
    );
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(
        (&problem["code"], &problem["persisted"]),
        (&json!("queue_full"), &json!("no"))
    );
    assert!(
        head.contains("Content-Type: application/problem+json"),
        "{head}"
    );
    assert!(head.contains("\r\nX-Content-Type-Options: nosniff"));
    let (_, content) = written(
        &refusal(Fault::TimedOut, Persisted::Unknown),
        Persistence::Keep,
        false,
    );
    let problem: Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(
        (&problem["status"], &problem["persisted"]),
        (&json!(503), &json!("unknown"))
    );
}

#[test]
fn a_malformed_request_gets_its_error_and_an_exceeded_limit_no_second_text() {
    for (error, detail) in [
        (
            HeadError::HostMissing,
            "The request is not well-formed HTTP/1.1: the Host field is missing.",
        ),
        (
            HeadError::RequestLineTooLong,
            "The request line is too long.",
        ),
    ] {
        let outcome = Outcome::Refused(Refusal::Head(error));
        let (_, content) = written(&outcome, Persistence::Close, false);
        let problem: Value = serde_json::from_str(&content).expect("JSON");
        assert_eq!(problem["detail"], detail);
    }
}
