//! Answers, most of them prebuilt.
//!
//! Errors are `application/problem+json` (RFC 9457) with a stable `code` and, as every refusal has
//! to say what became of the records, `persisted`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    auth::Denial,
    clock::HTTP_DATE_BYTES,
    http::HeadError,
    outcome::{Allow, Code, Outcome, Refusal, TABLE},
    produce::{Failure, Persisted},
    validate::{Rejection, ValidationError},
};

/// The interim answer that asks for the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Seconds after which a retry is suggested.
const RETRY_AFTER: &str = "Retry-After: 1\r\n";

/// What an answer says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It goes on, as HTTP/1.1 takes for granted.
    Keep,
    /// It goes on, which HTTP/1.0 has to be told.
    KeepHttp10,
    /// It ends with this answer.
    Close,
}

impl Persistence {
    const fn field(self) -> &'static str {
        match self {
            Self::Keep => "",
            Self::KeepHttp10 => "Connection: keep-alive\r\n",
            Self::Close => "Connection: close\r\n",
        }
    }
}

/// How one answer is written.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// What it says about the connection.
    pub persistence: Persistence,
    /// Without its content, as HEAD wants it.
    pub head_only: bool,
    /// The time for `Date`.
    pub date: [u8; HTTP_DATE_BYTES],
}

/// `WWW-Authenticate` where no token was presented (RFC 6750 section 3): no error is named then.
const CHALLENGE: &str = "WWW-Authenticate: Bearer realm=\"ringest\"\r\n";

/// The same where one was: it does not say what is wrong with it.
const INVALID_TOKEN: &str =
    "WWW-Authenticate: Bearer realm=\"ringest\", error=\"invalid_token\"\r\n";

/// The same where one is good, but not for this.
const INSUFFICIENT_SCOPE: &str =
    "WWW-Authenticate: Bearer realm=\"ringest\", error=\"insufficient_scope\"\r\n";

/// Answers of one worker: those without particulars are built once.
#[derive(Debug)]
pub struct Responses {
    /// By code, then by what they say about the connection.
    plain: Vec<[Prebuilt; 3]>,
    /// What whoever presents a bad token gets: there may be very many of them.
    invalid_token: [Prebuilt; 3],
}

/// A whole answer with a hole for the date.
#[derive(Debug)]
struct Prebuilt {
    bytes: Vec<u8>,
    date_at: usize,
    head_len: usize,
}

impl Responses {
    /// Builds every answer that can be built beforehand.
    pub fn new() -> Self {
        let plain = TABLE.iter().map(|row| {
            let code = row.code;
            let content = match code {
                Code::Accepted => r#"{"accepted":1}"#.to_owned(),
                Code::Healthy => r#"{"status":"ok"}"#.to_owned(),
                // Never said without particulars.
                Code::PartlyAccepted => "{}".to_owned(),
                refused => problem(refused).to_string(),
            };
            let field = match code {
                Code::Unauthenticated => CHALLENGE,
                Code::RouteNotAllowed => INSUFFICIENT_SCOPE,
                _ => "",
            };
            of_each(|persistence| Prebuilt::new(code, field, &content, persistence))
        });
        let code = Code::Unauthenticated;
        let content = problem(code).to_string();
        Self {
            plain: plain.collect(),
            invalid_token: of_each(|persistence| {
                Prebuilt::new(code, INVALID_TOKEN, &content, persistence)
            }),
        }
    }

    /// Appends the answer to `out`.
    pub fn write(&self, outcome: &Outcome, form: Form, out: &mut Vec<u8>) {
        let code = outcome.code();
        if let Outcome::Refused(Refusal::Unauthenticated(denial)) = outcome
            && names_a_bad_token(*denial)
        {
            return self.invalid_token[form.persistence as usize].write(form, out);
        }
        match particulars(outcome) {
            None => self.plain[code as usize][form.persistence as usize].write(form, out),
            Some(Particulars { field, content }) => {
                Prebuilt::new(code, field, &content, form.persistence).write(form, out);
            }
        }
    }
}

/// One for each thing that an answer can say about the connection, in their order.
fn of_each(answer: impl Fn(Persistence) -> Prebuilt) -> [Prebuilt; 3] {
    [
        Persistence::Keep,
        Persistence::KeepHttp10,
        Persistence::Close,
    ]
    .map(answer)
}

impl Default for Responses {
    fn default() -> Self {
        Self::new()
    }
}

impl Prebuilt {
    fn new(code: Code, field: &str, content: &str, persistence: Persistence) -> Self {
        const DATE: &str = "Date: ";
        let row = code.row();
        let mut head = format!("HTTP/1.1 {} {}\r\n{DATE}", row.status, reason(row.status));
        let date_at = head.len();
        head.extend(std::iter::repeat_n(' ', HTTP_DATE_BYTES));
        let media_type = if row.status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        let retry_after = if row.retry { RETRY_AFTER } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            head,
            "\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{retry_after}{field}{}\r\n",
            content.len(),
            persistence.field(),
        );
        let head_len = head.len();
        head.push_str(content);
        Self {
            bytes: head.into_bytes(),
            date_at,
            head_len,
        }
    }

    fn write(&self, form: Form, out: &mut Vec<u8>) {
        let start = out.len();
        let end = if form.head_only {
            self.head_len
        } else {
            self.bytes.len()
        };
        out.extend_from_slice(&self.bytes[..end]);
        let date_at = start + self.date_at;
        out[date_at..date_at + HTTP_DATE_BYTES].copy_from_slice(&form.date);
    }
}

/// What an answer says beyond its code.
struct Particulars {
    field: &'static str,
    content: String,
}

impl Particulars {
    fn content(content: String) -> Self {
        Self { field: "", content }
    }
}

/// `None` where the prebuilt answer says it all.
fn particulars(outcome: &Outcome) -> Option<Particulars> {
    let code = outcome.code();
    match outcome {
        Outcome::Accepted(delivered) if delivered.records() == 1 => None,
        Outcome::Accepted(delivered) => Some(Particulars::content(format!(
            r#"{{"accepted":{}}}"#,
            delivered.records()
        ))),
        Outcome::PartlyAccepted(delivered, rejection) => {
            let mut content = json!({ "accepted": delivered.records() });
            add_rejected(&mut content, rejection);
            Some(Particulars::content(content.to_string()))
        }
        Outcome::Empty => Some(Particulars::content(r#"{"accepted":0}"#.to_owned())),
        Outcome::Healthy => None,
        Outcome::Refused(refusal) => refused(code, refusal),
    }
}

fn refused(code: Code, refusal: &Refusal) -> Option<Particulars> {
    let with_field = |field| {
        Some(Particulars {
            field,
            content: problem(code).to_string(),
        })
    };
    match refusal {
        Refusal::Head(error) => Some(Particulars::content(head_problem(code, *error).to_string())),
        Refusal::Body(error) => {
            let mut problem = problem(code);
            problem["detail"] = json!(format!(
                "{}: {error}.",
                code.row().detail.trim_end_matches('.')
            ));
            Some(Particulars::content(problem.to_string()))
        }
        Refusal::Method(Allow::Post) => with_field("Allow: POST\r\n"),
        Refusal::Method(Allow::GetHead) => with_field("Allow: GET, HEAD\r\n"),
        Refusal::ContentCoding => with_field("Accept-Encoding: identity\r\n"),
        Refusal::Invalid(rejection) => {
            Some(Particulars::content(invalid(code, rejection).to_string()))
        }
        Refusal::Produce(failure) | Refusal::DeadLetters(failure) => match &failure.persisted {
            Persisted::No => None,
            Persisted::Unknown | Persisted::Partial { .. } => {
                Some(Particulars::content(undelivered(code, failure).to_string()))
            }
        },
        Refusal::ProduceValid(failure, rejection) => {
            let mut problem = undelivered(code, failure);
            add_rejected(&mut problem, rejection);
            Some(Particulars::content(problem.to_string()))
        }
        Refusal::Timeout(_)
        | Refusal::Unauthenticated(_)
        | Refusal::RouteNotAllowed
        | Refusal::BodyTooLarge
        | Refusal::UnknownRoute
        | Refusal::MediaType
        | Refusal::InFlight(_)
        | Refusal::Draining => None,
    }
}

/// Whether a token was there, which is all that a client is told about why it is refused.
fn names_a_bad_token(denial: Denial) -> bool {
    match denial {
        Denial::Missing | Denial::Scheme | Denial::KeysUnavailable | Denial::Busy => false,
        Denial::Repeated
        | Denial::InQuery
        | Denial::Malformed
        | Denial::UnknownKey
        | Denial::KeyExpired
        | Denial::Header
        | Denial::Algorithm
        | Denial::KeyId
        | Denial::Claims
        | Denial::Issuer
        | Denial::Audience
        | Denial::Expired
        | Denial::NotYetValid
        | Denial::RequiredClaim
        | Denial::Signature => true,
    }
}

/// The members that every problem has. Its type is `about:blank`, so that the title is the
/// status's own phrase (RFC 9457 section 4.2.1); programs read `code`.
fn problem(code: Code) -> Value {
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

fn head_problem(code: Code, error: HeadError) -> Value {
    let mut problem = problem(code);
    problem["detail"] = json!(format!("{} ({error})", code.row().detail));
    problem
}

fn invalid(code: Code, rejection: &Rejection) -> Value {
    let mut problem = problem(code);
    // Nobody can say how many records there are in what can't be read.
    if rejection.records > 0 {
        problem["records"] = json!(rejection.records);
    }
    add_rejected(&mut problem, rejection);
    problem
}

/// What is wrong with records: how many, and the first faults.
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

/// The phrases of RFC 9110 section 15 and RFC 6585 section 5.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
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
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
