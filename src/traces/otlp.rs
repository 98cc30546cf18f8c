//! Requests as OTLP has them: spans of a resource, named by the semantic conventions of OpenTelemetry
//! (HTTP server spans).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;
use ring::rand::SystemRandom;

use super::{
    SpanContext, TracedRequest,
    message::{
        AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource,
        ResourceSpans, ScopeSpans, Span, SpanKind, Status, StatusCode, any_value,
    },
};
use crate::http::Method;

/// The names of a request's stages, in their order.
const STAGES: [&str; 4] = ["authenticate", "receive", "validate", "deliver"];

/// This process, which the spans come from.
pub(super) struct Process {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Process {
    /// # Panics
    /// If the system random number generator fails.
    pub(super) fn new(service_name: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            resource: Resource {
                attributes: vec![
                    text("service.name", service_name),
                    text("service.version", version),
                    text("service.instance.id", &uuid()),
                ],
            },
            scope: InstrumentationScope {
                name: "ringest".to_owned(),
                version: version.to_owned(),
            },
        }
    }

    /// A message with the spans of these requests.
    pub(super) fn encode(&self, requests: &[Box<TracedRequest>]) -> Vec<u8> {
        let spans = requests.iter().flat_map(|request| spans(request));
        let message = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(self.scope.clone()),
                    spans: spans.collect(),
                }],
            }],
        };
        message.encode_to_vec()
    }
}

/// The span of a request, and those of its stages.
fn spans(request: &TracedRequest) -> Vec<Span> {
    let SpanContext {
        trace_id,
        span_id,
        parent_id,
        ..
    } = &request.context;
    let began = request.ended.checked_sub(request.duration);
    let began = began.unwrap_or(request.ended);
    let span = Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: parent_id.map_or(Vec::new(), |it| it.to_vec()),
        name: name(request),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: nanoseconds(began),
        end_time_unix_nano: nanoseconds(request.ended),
        attributes: attributes(request),
        status: (request.status >= 500).then(|| Status {
            message: request.code.to_owned(),
            code: StatusCode::Error as i32,
        }),
    };
    let mut spans = vec![span];
    let mut from = began;
    for (index, (stage, time)) in STAGES.into_iter().zip(request.stages).enumerate() {
        let Some(time) = time else { break };
        let to = from + time;
        spans.push(Span {
            trace_id: trace_id.to_vec(),
            span_id: stage_id(*span_id, index).to_vec(),
            parent_span_id: span_id.to_vec(),
            name: stage.to_owned(),
            kind: SpanKind::Internal as i32,
            start_time_unix_nano: nanoseconds(from),
            end_time_unix_nano: nanoseconds(to),
            attributes: Vec::new(),
            status: None,
        });
        from = to;
    }
    spans
}

/// The method and the route, where there is one: what follows from the client alone is no name.
fn name(request: &TracedRequest) -> String {
    let method = match request.context.method {
        Method::Other => "HTTP",
        method => method_name(method),
    };
    match &request.route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Options => "OPTIONS",
        Method::Other => "_OTHER",
    }
}

fn attributes(request: &TracedRequest) -> Vec<KeyValue> {
    let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let mut attributes = vec![
        text("http.request.method", method_name(request.context.method)),
        integer("http.response.status_code", request.status.into()),
        integer("http.request.body.size", number(request.bytes)),
        text("client.address", &request.client.to_string()),
        text("ringest.code", request.code),
        text("ringest.request_id", &request.request_id),
        integer("ringest.records", number(request.records)),
    ];
    if request.status >= 500 {
        attributes.push(text("error.type", request.code));
    }
    if let Some(route) = &request.route {
        attributes.push(text("http.route", route));
    }
    if let Some(principal) = &request.principal {
        attributes.push(text("ringest.principal", principal));
    }
    attributes
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}

/// The identifier of a stage's span: another one than those of the request and of its other stages.
fn stage_id(span_id: [u8; 8], index: usize) -> [u8; 8] {
    let id = u64::from_ne_bytes(span_id).wrapping_add(index as u64 + 1);
    // 0 is no identifier; at most one of a request's is that.
    if id == 0 {
        span_id.map(|byte| !byte)
    } else {
        id.to_ne_bytes()
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A random UUID (RFC 9562 section 5.4).
fn uuid() -> String {
    let bytes: [u8; 16] = ring::rand::generate(&SystemRandom::new())
        .expect("the system random number generator works")
        .expose();
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}
