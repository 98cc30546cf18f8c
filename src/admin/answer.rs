//! The responses of the management listener; no I/O here.

use std::{borrow::Cow, fmt};

use super::{
    exposition::Exposition, page::Page, receive::Received, routes::routes_json, state::AdminState,
    status::status_json,
};
use crate::openapi;

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// RFC 9457.
const PROBLEM: &str = "application/problem+json";

/// A response.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    content_type: &'static str,
    body: Cow<'static, [u8]>,
    /// The value of `Content-Security-Policy`; empty: none.
    policy: String,
    /// `HEAD`: send the length of the body without the body (RFC 9110, section 9.3.2).
    head_only: bool,
}

/// Status code, reason phrase and, for errors, the stable error code.
type Status = (u16, &'static str, &'static str);

const OK: Status = (200, "OK", "");
const UNAVAILABLE: Status = (503, "Service Unavailable", "");
const MALFORMED: Status = (400, "Bad Request", "malformed_request");
const NOT_FOUND: Status = (404, "Not Found", "not_found");
const METHOD_NOT_ALLOWED: Status = (405, "Method Not Allowed", "method_not_allowed");
/// RFC 9110 section 15.5.20.
const MISDIRECTED: Status = (421, "Misdirected Request", "misdirected");
const TIMEOUT: Status = (408, "Request Timeout", "request_timeout");
const HEAD_TOO_LARGE: Status = (431, "Request Header Fields Too Large", "head_too_large");
const INTERNAL: Status = (500, "Internal Server Error", "internal");

/// The response to a received request; `None` if the client has closed the connection.
pub(super) fn answer(received: Received, state: &AdminState) -> Option<Answer> {
    match received {
        Received::Request {
            path,
            is_of_another_site: true,
            ..
        } if path == "/samples" => Some(Answer::problem(MISDIRECTED)),
        Received::Request {
            method,
            path,
            wants_plain_text,
            ..
        } => Some(respond(&method, &path, wants_plain_text, state)),
        Received::Malformed => Some(Answer::problem(MALFORMED)),
        Received::TooLarge => Some(Answer::problem(HEAD_TOO_LARGE)),
        Received::Gone => None,
    }
}

fn respond(method: &str, path: &str, wants_plain_text: bool, state: &AdminState) -> Answer {
    let resource = match path {
        "/" => page,
        "/samples" => samples,
        "/health" => health,
        "/ready" => ready,
        "/routes" => routes,
        "/openapi.json" => openapi,
        "/status" => status,
        "/metrics" if wants_plain_text => plain_metrics,
        "/metrics" => metrics,
        _ => |_: &AdminState| Answer::problem(NOT_FOUND),
    };
    let answer = resource(state);
    match method {
        "GET" => answer,
        "HEAD" => Answer {
            head_only: true,
            ..answer
        },
        _ if answer.status == NOT_FOUND => answer,
        _ => Answer::problem(METHOD_NOT_ALLOWED),
    }
}

fn health(state: &AdminState) -> Answer {
    if state.readiness.is_draining() {
        Answer::json(UNAVAILABLE, br#"{"status":"draining"}"#.as_slice())
    } else {
        Answer::json(OK, br#"{"status":"serving"}"#.as_slice())
    }
}

fn ready(state: &AdminState) -> Answer {
    match state.readiness.reason() {
        // Other processes would not be less full without this one.
        None if state.connections.are_full() => Answer::json(
            OK,
            br#"{"ready":true,"degraded":"connections_full"}"#.as_slice(),
        ),
        None => Answer::json(OK, br#"{"ready":true}"#.as_slice()),
        Some(reason) => {
            let (code, detail) = (reason.code(), reason.detail());
            let body = format!(r#"{{"ready":false,"reason":"{code}","detail":"{detail}"}}"#);
            Answer::json(UNAVAILABLE, body.into_bytes())
        }
    }
}

fn routes(state: &AdminState) -> Answer {
    let json = routes_json(state.published.latest().routes.routes());
    Answer::json(OK, json.into_bytes())
}

fn openapi(state: &AdminState) -> Answer {
    let json = openapi::text(state.published.latest().routes.routes());
    Answer::json(OK, json.into_bytes())
}

fn status(state: &AdminState) -> Answer {
    Answer::json(OK, status_json(state).into_bytes())
}

fn page(state: &AdminState) -> Answer {
    let Page { document, policy } = Page::new(&state.page, state.samples.is_some());
    Answer {
        content_type: HTML,
        policy,
        ..Answer::json(OK, document.into_bytes())
    }
}

fn samples(state: &AdminState) -> Answer {
    state.samples.as_ref().map_or_else(
        || Answer::problem(NOT_FOUND),
        |samples| Answer::json(OK, samples.json().into_bytes()),
    )
}

fn metrics(state: &AdminState) -> Answer {
    Answer::metrics(state.exposition.text(), Exposition::CONTENT_TYPE)
}

fn plain_metrics(state: &AdminState) -> Answer {
    let text = state.exposition.plain_text();
    Answer::metrics(text, Exposition::PLAIN_CONTENT_TYPE)
}

impl Answer {
    /// 408: the head did not arrive in time.
    pub(super) fn request_timeout() -> Self {
        Self::problem(TIMEOUT)
    }

    fn metrics(text: Result<String, fmt::Error>, content_type: &'static str) -> Self {
        text.map_or_else(
            |_| Self::problem(INTERNAL),
            |text| Self {
                content_type,
                ..Self::json(OK, text.into_bytes())
            },
        )
    }

    fn json(status: Status, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            status,
            content_type: JSON,
            body: body.into(),
            policy: String::new(),
            head_only: false,
        }
    }

    fn problem(status: Status) -> Self {
        let (number, title, code) = status;
        let body = format!(r#"{{"title":"{title}","status":{number},"code":"{code}"}}"#);
        Self {
            content_type: PROBLEM,
            ..Self::json(status, body.into_bytes())
        }
    }

    /// Encodes the response; monoio-http's encoder would send `content-length: 0` for every `HEAD`.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let (number, reason, _) = self.status;
        let allow = if self.status == METHOD_NOT_ALLOWED {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let policy = match self.policy.as_str() {
            "" => String::new(),
            policy => format!("Content-Security-Policy: {policy}\r\n"),
        };
        let mut bytes = format!(
            "HTTP/1.1 {number} {reason}\r\n\
             Content-Type: {}\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {policy}{allow}\
             Connection: close\r\n\r\n",
            self.content_type,
            self.body.len(),
        )
        .into_bytes();
        if !self.head_only {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
