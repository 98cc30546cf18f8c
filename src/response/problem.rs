//! The content of answers: problems (RFC 9457), and counts of accepted records.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    auth::AuthError,
    outcome::{Allow, Code, Outcome, Refusal},
    produce::{Failure, Persisted},
    validate::{Counting, Rejection, ValidationError},
};

/// The parts of an answer that depend on more than its code.
pub(super) struct Specific {
    /// A header line, or nothing.
    pub(super) field: Cow<'static, str>,
    pub(super) content: String,
}

impl Specific {
    fn content(content: String) -> Self {
        Self {
            field: Cow::Borrowed(""),
            content,
        }
    }
}

/// `None` where the prebuilt answer is complete.
pub(super) fn specific(outcome: &Outcome) -> Option<Specific> {
    let code = outcome.code();
    match outcome {
        Outcome::Accepted(delivered) if delivered.records() == 1 => None,
        Outcome::Accepted(delivered) => Some(Specific::content(format!(
            r#"{{"accepted":{}}}"#,
            delivered.records()
        ))),
        Outcome::PartlyAccepted(delivered, rejection) => {
            let mut content = json!({ "accepted": delivered.records() });
            add_rejected(&mut content, rejection);
            Some(Specific::content(content.to_string()))
        }
        Outcome::Empty => Some(Specific::content(r#"{"accepted":0}"#.to_owned())),
        Outcome::Healthy | Outcome::Unhealthy | Outcome::Preflight => None,
        Outcome::Refused(refusal) => refused(code, refusal),
    }
}

fn refused(code: Code, refusal: &Refusal) -> Option<Specific> {
    let with_field = |field: Cow<'static, str>| {
        Some(Specific {
            field,
            content: problem(code).to_string(),
        })
    };
    match refusal {
        Refusal::Head(error) if code == Code::MalformedRequest => {
            Some(Specific::content(because(code, error).to_string()))
        }
        Refusal::Body(error) if code == Code::MalformedBody => {
            Some(Specific::content(because(code, error).to_string()))
        }
        Refusal::Method(Allow::Post) => with_field("Allow: POST\r\n".into()),
        Refusal::Method(Allow::GetHead) => with_field("Allow: GET, HEAD\r\n".into()),
        Refusal::ContentCoding(accepted) => {
            with_field(format!("Accept-Encoding: {accepted}\r\n").into())
        }
        Refusal::Content(error) if code == Code::InvalidContent => {
            Some(Specific::content(because(code, error).to_string()))
        }
        Refusal::Invalid(rejection) => {
            Some(Specific::content(invalid(code, rejection).to_string()))
        }
        Refusal::Produce(failure) | Refusal::DeadLetters(failure) => match &failure.persisted {
            Persisted::No => None,
            Persisted::Unknown | Persisted::Partial { .. } => {
                Some(Specific::content(undelivered(code, failure).to_string()))
            }
        },
        Refusal::ProduceValid(failure, rejection) => {
            let mut problem = undelivered(code, failure);
            add_rejected(&mut problem, rejection);
            Some(Specific::content(problem.to_string()))
        }
        Refusal::Head(_)
        | Refusal::Plaintext
        | Refusal::Body(_)
        | Refusal::Timeout(_)
        | Refusal::Unauthenticated(_)
        | Refusal::Origin
        | Refusal::RouteNotAllowed
        | Refusal::BodyTooLarge
        | Refusal::UnknownRoute
        | Refusal::Quota(_)
        | Refusal::MediaType
        | Refusal::Content(_)
        | Refusal::CompressionRatio
        | Refusal::ConnectionsFull
        | Refusal::Admission(_)
        | Refusal::Overloaded
        | Refusal::Draining => None,
    }
}

/// Whether a token was presented and rejected. The client learns no more about the reason.
pub(super) fn is_invalid_token(error: AuthError) -> bool {
    match error {
        AuthError::Missing
        | AuthError::Scheme
        | AuthError::Certificate
        | AuthError::Origin
        | AuthError::KeysUnavailable
        | AuthError::KeyNotFetched
        | AuthError::Busy => false,
        AuthError::Repeated
        | AuthError::InQuery
        | AuthError::Malformed
        | AuthError::UnknownKey
        | AuthError::KeyExpired
        | AuthError::Header
        | AuthError::Algorithm
        | AuthError::KeyId
        | AuthError::Claims
        | AuthError::Issuer
        | AuthError::Audience
        | AuthError::Expired
        | AuthError::NotYetValid
        | AuthError::RequiredClaim
        | AuthError::Signature => true,
    }
}

/// The members that every problem has. Its type is `about:blank`, so that the title is the phrase of
/// the status (RFC 9457 section 4.2.1); programs read `code`.
pub(super) fn problem(code: Code) -> Value {
    let row = code.row();
    json!({
        "type": "about:blank",
        "title": reason(row.status),
        "status": row.status,
        "detail": row.detail,
        "code": row.name,
        "persisted": "no",
    })
}

/// A problem whose detail has the error added.
fn because(code: Code, error: &dyn std::fmt::Display) -> Value {
    let mut problem = problem(code);
    let detail = code.row().detail.trim_end_matches('.');
    problem["detail"] = json!(format!("{detail}: {error}."));
    problem
}

fn invalid(code: Code, rejection: &Rejection) -> Value {
    let mut problem = problem(code);
    // A body that can't be parsed has no number of records.
    if rejection.records > 0 {
        problem["records"] = json!(rejection.records);
    }
    add_rejected(&mut problem, rejection);
    problem
}

/// How many records are invalid, and the first errors.
fn add_rejected(content: &mut Value, rejection: &Rejection) {
    if rejection.records > 0 {
        content["rejected"] = json!(rejection.invalid_records.len());
    }
    let errors: Vec<Value> = rejection
        .errors
        .iter()
        .map(ValidationError::to_json)
        .collect();
    content["errors"] = json!(errors);
    content["errors_total"] = json!(rejection.errors_total);
    match rejection.counting {
        Counting::Complete => {}
        Counting::EndedEarly => content["counting_ended_early"] = json!(true),
    }
}

fn undelivered(code: Code, failure: &Failure) -> Value {
    let mut problem = problem(code);
    match &failure.persisted {
        Persisted::No => {}
        Persisted::Unknown => problem["persisted"] = json!("unknown"),
        Persisted::Partial {
            delivered,
            lost,
            unknown,
        } => {
            problem["persisted"] = json!("partial");
            problem["delivered"] = json!(delivered);
            problem["not_delivered"] = json!(lost);
            problem["unknown"] = json!(unknown);
        }
    }
    problem
}

/// The phrases of RFC 9110 section 15 and RFC 6585 sections 4 and 5.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        207 => "Multi-Status",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
