//! Answers, most of them prebuilt.
//!
//! Errors are `application/problem+json` (RFC 9457) with a stable `code`, and `persisted`, which says
//! whether records of the request are in their topic.

use std::{fmt::Write as _, io::Write as _};

use crate::{
    auth::AuthError,
    clock::HTTP_DATE_BYTES,
    outcome::{Code, Outcome, Refusal, TABLE},
    quota::{QuotaError, QuotaOf, Unit},
};

use problem::{Specific, is_invalid_token, problem, reason, specific};

mod problem;

/// The interim response that requests the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Around the identifier in a problem.
const MEMBER_BEFORE: &[u8] = b",\"request_id\":\"";
const MEMBER_AFTER: &[u8] = b"\"}";

/// Asks for a retry after one second.
const RETRY_AFTER: &str = "Retry-After: 1\r\n";

/// Whether the connection continues after an answer, and the field that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It continues, which is the default of HTTP/1.1.
    Keep,
    /// It continues, which HTTP/1.0 needs a field for.
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

/// The properties of one answer that do not depend on the outcome.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// Whether the connection continues.
    pub persistence: Persistence,
    /// Without its content, for `HEAD`.
    pub head_only: bool,
    /// The value of `Date`.
    pub date: [u8; HTTP_DATE_BYTES],
    /// More header fields, each with its line end.
    pub fields: &'a [u8],
    /// What identifies the request: its characters need no escaping in JSON.
    pub request_id: &'a str,
}

/// `WWW-Authenticate` where no token was presented: without an error (RFC 6750 section 3).
const CHALLENGE: &str = "WWW-Authenticate: Bearer realm=\"ringest\"\r\n";

/// `WWW-Authenticate` where a valid token is not authorized for the route.
const INSUFFICIENT_SCOPE: &str =
    "WWW-Authenticate: Bearer realm=\"ringest\", error=\"insufficient_scope\"\r\n";

/// Answers of one worker: those that depend on the code alone are built once.
#[derive(Debug)]
pub struct Responses {
    /// By code, then by [`Persistence`].
    plain: Vec<[Prebuilt; 3]>,
    /// The answer to an invalid token, prebuilt as well: there may be very many of them. Its reason is not
    /// disclosed.
    invalid_token: [Prebuilt; 3],
    /// The same for authentic tokens, each with its reason.
    authentic: Vec<(AuthError, [Prebuilt; 3])>,
}

/// An answer, without what is its request's own.
#[derive(Debug)]
struct Prebuilt {
    /// With a placeholder for the date, and without the fields that every answer has of its own.
    head: Vec<u8>,
    date_at: usize,
    content: String,
    /// Then the content lacks its last character, and the head the length: the request's identifier comes
    /// last in it.
    is_problem: bool,
}

impl Responses {
    /// Builds every answer that can be built in advance.
    pub fn new() -> Self {
        let plain = TABLE.iter().map(|row| {
            let code = row.code;
            let content = match code {
                Code::Accepted => r#"{"accepted":1}"#.to_owned(),
                Code::Healthy => r#"{"status":"ok"}"#.to_owned(),
                // Always specific to the request.
                Code::PartlyAccepted => "{}".to_owned(),
                Code::Preflight => String::new(),
                refused => problem(refused).to_string(),
            };
            let field = match code {
                Code::Unauthenticated => CHALLENGE,
                Code::RouteNotAllowed => INSUFFICIENT_SCOPE,
                _ => "",
            };
            of_each(|persistence| Prebuilt::new(code, field, &content, persistence))
        });
        let described = AuthError::ALL.iter().filter_map(|reason| {
            let description = Some(reason.description()?);
            Some((*reason, Prebuilt::invalid_token(description)))
        });
        Self {
            plain: plain.collect(),
            invalid_token: Prebuilt::invalid_token(None),
            authentic: described.collect(),
        }
    }

    /// Appends the answer to `out`.
    pub fn write(&self, outcome: &Outcome, form: Form<'_>, out: &mut Vec<u8>) {
        let code = outcome.code();
        if let Outcome::Refused(Refusal::Unauthenticated(denial)) = outcome
            && is_invalid_token(denial.reason)
        {
            let mut described = self.authentic.iter().filter(|_| denial.is_authentic);
            let described = described.find(|(reason, _)| *reason == denial.reason);
            let answers = described.map_or(&self.invalid_token, |(_, answers)| answers);
            return answers[form.persistence as usize].write(form, out);
        }
        if let Outcome::Refused(Refusal::Quota(error)) = outcome {
            // There may be very many of these, too.
            let answer = &self.plain[code as usize][form.persistence as usize];
            return answer.write_with(form, out, |out| quota_fields(error, out));
        }
        match specific(outcome) {
            None => self.plain[code as usize][form.persistence as usize].write(form, out),
            Some(Specific { field, content }) => {
                Prebuilt::new(code, &field, &content, form.persistence).write(form, out);
            }
        }
    }
}

/// One answer for each [`Persistence`], in their order.
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

/// A problem may quote the request: no browser shall take it for a page.
const NO_SNIFFING: &str = "X-Content-Type-Options: nosniff\r\n";

impl Prebuilt {
    /// The answer to an invalid token: its error has a description or, so that forging tokens teaches nothing,
    /// none (RFC 6750 section 3).
    fn invalid_token(description: Option<&str>) -> [Self; 3] {
        const ERROR: &str = "invalid_token";
        let code = Code::Unauthenticated;
        let mut field = format!("WWW-Authenticate: Bearer realm=\"ringest\", error=\"{ERROR}\"");
        let mut content = problem(code);
        content["error"] = ERROR.into();
        if let Some(description) = description {
            // Writing to a String cannot fail.
            let _ = write!(field, ", error_description=\"{description}\"");
            content["error_description"] = description.into();
        }
        field.push_str("\r\n");
        let content = content.to_string();
        of_each(|persistence| Self::new(code, &field, &content, persistence))
    }

    fn new(code: Code, field: &str, content: &str, persistence: Persistence) -> Self {
        const DATE: &str = "Date: ";
        let row = code.row();
        let mut head = format!("HTTP/1.1 {} {}\r\n{DATE}", row.status, reason(row.status));
        let date_at = head.len();
        head.extend(std::iter::repeat_n(' ', HTTP_DATE_BYTES));
        head.push_str("\r\n");
        let is_problem = row.status >= 400;
        // Writing to a String cannot fail.
        let _ = match row.status {
            400.. => write!(
                head,
                "Content-Type: application/problem+json\r\n{NO_SNIFFING}"
            ),
            // Neither content nor a length (RFC 9110 section 8.6).
            204 => Ok(()),
            _ => write!(
                head,
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                content.len()
            ),
        };
        // A quota has a time of its own.
        let retry_after = if row.retry && row.status != 429 {
            RETRY_AFTER
        } else {
            ""
        };
        head.extend([retry_after, field, persistence.field()]);
        let open = content.strip_suffix('}').filter(|_| is_problem);
        Self {
            head: head.into_bytes(),
            date_at,
            content: open.unwrap_or(content).to_owned(),
            is_problem,
        }
    }

    fn write(&self, form: Form<'_>, out: &mut Vec<u8>) {
        self.write_with(form, out, |_| {});
    }

    /// With the header fields that `fields` appends.
    fn write_with(&self, form: Form<'_>, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
        let date_at = out.len() + self.date_at;
        out.extend_from_slice(&self.head);
        out[date_at..date_at + HTTP_DATE_BYTES].copy_from_slice(&form.date);
        let id = form.request_id.as_bytes();
        let member: [&[u8]; 3] = if self.is_problem {
            [MEMBER_BEFORE, id, MEMBER_AFTER]
        } else {
            [b"", b"", b""]
        };
        if self.is_problem {
            let length = self.content.len() + member.iter().map(|it| it.len()).sum::<usize>();
            // Writing to a Vec cannot fail.
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        fields(out);
        out.extend_from_slice(form.fields);
        for part in [b"X-Request-Id: ", id, b"\r\n\r\n"] {
            out.extend_from_slice(part);
        }
        if !form.head_only {
            out.extend_from_slice(self.content.as_bytes());
            for part in member {
                out.extend_from_slice(part);
            }
        }
    }
}

/// When to come back, and which quota it was (draft-ietf-httpapi-ratelimit-headers-10). A window is the time in which
/// an empty bucket becomes full, in whole seconds.
fn quota_fields(error: &QuotaError, out: &mut Vec<u8>) {
    let of = match error.of {
        QuotaOf::Principal => "principal",
        QuotaOf::Route => "route",
    };
    let (name, unit) = match error.unit {
        Unit::Requests => ("requests", ""),
        Unit::Records => ("records", ";qu=\"records\""),
        Unit::Bytes => ("bytes", ";qu=\"content-bytes\""),
    };
    let (wait, window) = (
        error.wait_seconds(),
        error.rate.burst_ns().div_ceil(1_000_000_000),
    );
    let quota = error.rate.per_second().saturating_mul(window);
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "Retry-After: {wait}\r\n\
         RateLimit-Policy: \"{of}-{name}\";q={quota};w={window}{unit}\r\n\
         RateLimit: \"{of}-{name}\";r=0;t={wait}\r\n"
    );
}

#[cfg(test)]
mod tests;
