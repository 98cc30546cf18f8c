//! What is logged of requests: bounded by the second and code, so that a flood of refused requests is no flood
//! of lines. Never a body or a credential.

use std::{
    borrow::Cow,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use tracing::Level;

use super::ActiveSnapshot;
use crate::{
    auth::{self, AuthError, Principal},
    log::{ClientLine, Kind, Labels, RequestLines, RequestLog},
    networks::ClientAddress,
    outcome::{Code, Outcome, Refusal, Row, TABLE},
    request_id::RequestId,
    traces::{self, SpanContext, TracedRequest},
};

/// Of what a client has sent, in a line.
const TEXT_BYTES_MAX: usize = 128;

/// By the code.
static ANSWERS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |row: &Row| {
        let labels = Labels {
            code: Some(row.name),
            status: Some(row.status),
            reason: None,
        };
        let name = format!("answered {}: {}", row.status, text(row));
        Kind::named(Cow::Owned(name), row.level.min(Level::INFO), labels)
    };
    TABLE.iter().map(kind).collect()
});

/// By the reason.
static REJECTIONS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |error: &AuthError| {
        let labels = Labels {
            reason: Some(error.as_str()),
            ..Labels::NONE
        };
        Kind::named(Cow::Borrowed("credential rejected"), Level::INFO, labels)
    };
    AuthError::ALL.iter().map(kind).collect()
});

/// What is known of a request beside its outcome.
pub(crate) struct Facts {
    pub(crate) id: RequestId,
    pub(crate) client: ClientAddress,
    pub(crate) principal: Option<Principal>,
    /// The index of its route.
    pub(crate) route: Option<usize>,
    /// The path that no route has, without its query, cut.
    pub(crate) unknown_path: Option<Box<str>>,
    /// Of its body, once it was read.
    pub(crate) body_bytes: usize,
    /// That were enqueued.
    pub(crate) records: usize,
    /// When its first byte was there.
    pub(crate) began: Instant,
    /// Whether its stages are timed.
    has_stages: bool,
    /// When its credential was verified, its body read, and its records enqueued; where it came so far, and
    /// stages are timed.
    stages: [Option<Instant>; 3],
    /// Where it is sampled for a trace.
    pub(super) span: Option<Box<SpanContext>>,
}

/// A stage of a request that is timed.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Authenticated,
    Received,
    Enqueued,
}

impl Facts {
    /// Of a request that has just begun.
    pub(crate) fn new(
        id: RequestId,
        client: ClientAddress,
        began: Instant,
        has_stages: bool,
        span: Option<Box<SpanContext>>,
    ) -> Self {
        Self {
            id,
            client,
            principal: None,
            route: None,
            unknown_path: None,
            body_bytes: 0,
            records: 0,
            began,
            has_stages,
            stages: [None; 3],
            span,
        }
    }

    /// A stage is over.
    pub(crate) fn end_stage(&mut self, stage: Stage) {
        if self.has_stages {
            self.stages[stage as usize] = Some(Instant::now());
        }
    }

    /// The time of each stage: authentication, the body, validation, delivery. A stage that was not reached
    /// has none.
    fn times(&self, end: Instant) -> [Option<Duration>; 4] {
        let mut from = Some(self.began);
        let mut next = |to: Option<Instant>| {
            let spent = Some(to?.saturating_duration_since(from?));
            from = to;
            spent
        };
        let [authenticated, received, enqueued] = self.stages;
        let delivered = enqueued.map(|_| end);
        [authenticated, received, enqueued, delivered].map(&mut next)
    }
}

/// The records of a request with this outcome, as far as they are known.
fn records(outcome: &Outcome, facts: &Facts) -> usize {
    match outcome {
        Outcome::PartlyAccepted(_, rejection) | Outcome::Refused(Refusal::Invalid(rejection)) => {
            rejection.records
        }
        _ => facts.records,
    }
}

/// Microseconds are enough.
fn milliseconds(time: Duration) -> f64 {
    let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    f64::from(us) / 1_000.0
}

impl RequestLines {
    /// Whether the stages of requests are timed: where lines of accepted ones are logged.
    pub(super) fn have_stages(self) -> bool {
        match self.of {
            RequestLog::None | RequestLog::Refused => false,
            RequestLog::Sampled | RequestLog::All => true,
        }
    }
}

/// The line for an answer with this code, if one is due.
pub(super) fn admit(
    active: &ActiveSnapshot,
    code: Code,
    client: ClientAddress,
    is_draining: bool,
) -> Option<ClientLine> {
    let RequestLines { of, rate_max } = active.snapshot.log;
    let row = code.row();
    let is_fault = row.level <= Level::WARN;
    let is_logged = match of {
        RequestLog::All => return Some(ClientLine::ONE),
        _ if is_draining => false,
        RequestLog::None => is_fault,
        RequestLog::Refused => row.level < Level::TRACE,
        RequestLog::Sampled => true,
    };
    let max = if is_fault { 1 } else { rate_max };
    let refused = (row.status >= 400).then_some(client);
    is_logged
        .then(|| ANSWERS[code as usize].admit_from(max, refused))
        .flatten()
}

/// What a code means.
fn text(row: &Row) -> &'static str {
    if row.detail.is_empty() {
        row.name
    } else {
        row.detail
    }
}

/// Logs an answer.
pub(super) fn answer(
    ClientLine { count, clients }: &ClientLine,
    outcome: &Outcome,
    active: &ActiveSnapshot,
    facts: &Facts,
    end: Instant,
) {
    let row = outcome.code().row();
    let routes = active.snapshot.routes.routes();
    let route = facts.route.map_or("-", |index| routes[index].path.as_str());
    let principal = facts.principal.as_ref().and_then(Principal::name);
    let detail = text(row);
    let ms = milliseconds(end.saturating_duration_since(facts.began));
    let times = facts.times(end).map(|it| it.map(milliseconds));
    let [authenticate_ms, receive_ms, validate_ms, deliver_ms] = times;
    let records = records(outcome, facts);
    let trace_id = facts.span.as_ref().map(|span| span.trace_id());
    /// A line at this level.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                count,
                clients,
                route,
                path = facts.unknown_path.as_deref(),
                code = row.name,
                status = row.status,
                principal,
                client = %facts.client,
                request_id = facts.id.as_str(),
                trace_id,
                bytes = facts.body_bytes,
                records,
                ms,
                authenticate_ms,
                receive_ms,
                validate_ms,
                deliver_ms,
                "answered {}: {detail}",
                row.status
            )
        };
    }
    match row.level {
        Level::ERROR => line!(error),
        Level::WARN => line!(warn),
        _ => line!(info),
    }
}

/// A request whose span ends with its answer.
pub(super) fn traced(
    context: SpanContext,
    outcome: &Outcome,
    active: &ActiveSnapshot,
    facts: &Facts,
    end: Instant,
) -> TracedRequest {
    let row = outcome.code().row();
    let routes = active.snapshot.routes.routes();
    let principal = facts.principal.as_ref().and_then(Principal::name);
    TracedRequest {
        context,
        ended: SystemTime::now() - end.elapsed(),
        duration: end.saturating_duration_since(facts.began),
        stages: facts.times(end),
        route: facts.route.map(|index| routes[index].path.as_str().into()),
        principal: principal.map(traces::principal),
        client: facts.client,
        request_id: facts.id.as_str().into(),
        status: row.status,
        code: row.name,
        bytes: facts.body_bytes,
        records: records(outcome, facts),
    }
}

/// A rejected credential.
pub(crate) struct Rejected<'r> {
    pub(crate) reason: AuthError,
    /// Empty where there is none, or it is not to be looked at.
    pub(crate) token: &'r [u8],
    /// Whose it is, where that is known.
    pub(crate) principal: Option<&'r str>,
    /// Of the page, where the reason is its origin.
    pub(crate) origin: Option<&'r [u8]>,
    /// The subject of the client's certificate, where that is the credential, and why it is rejected.
    pub(crate) certificate: Option<(&'r str, &'static str)>,
}

impl<'r> Rejected<'r> {
    /// Of which nothing else is known.
    pub(crate) fn new(reason: AuthError, token: &'r [u8]) -> Self {
        Self {
            reason,
            token,
            principal: None,
            origin: None,
            certificate: None,
        }
    }
}

/// Logs why a credential was rejected: at `info` if a line of its reason is due; where `debug` is logged, each at
/// `debug` instead. With a fingerprint of the token, never the token.
pub(super) fn rejection(rejected: &Rejected<'_>, facts: &Facts) {
    let reason = rejected.reason.as_str();
    /// A line at this level.
    macro_rules! line {
        ($level:ident, $line:expr) => {
            tracing::$level!(
                count = $line.count,
                clients = $line.clients,
                reason,
                client = %facts.client,
                request_id = facts.id.as_str(),
                token = auth::fingerprint(rejected.token),
                principal = rejected.principal,
                origin = rejected.origin.map(cut),
                subject = rejected.certificate.map(|(subject, _)| cut(subject.as_bytes())),
                cause = rejected.certificate.map(|(_, cause)| cause),
                "credential rejected"
            )
        };
    }
    if tracing::enabled!(Level::DEBUG) {
        line!(debug, ClientLine::ONE);
    } else if let Some(line) =
        REJECTIONS[rejected.reason as usize].admit_from(1, Some(facts.client))
    {
        line!(info, line);
    }
}

/// What a client has sent, for a line, whose format escapes it.
pub(crate) fn cut(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]).into_owned()
}
