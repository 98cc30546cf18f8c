//! The one table from what happened to what is answered: outcome → code → status, text, blame,
//! retry, log level, connection fate. No wildcard arm, so that a new fault of ours can never
//! become a 400 by default.

use tracing::Level;

use crate::{
    admission::InFlightFull,
    auth::Denial,
    http::{BodyError, HeadError},
    produce::{Delivered, Failure, Fault, Persisted},
    validate::{FaultCode, Rejection, RejectionKind},
};

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every record is in its topic. 200.
    Accepted(Delivered),
    /// Every valid record is in its topic; the others were refused, as the model wants it. 207.
    PartlyAccepted(Delivered, Rejection),
    /// There was no record to deliver: `[]`. 200.
    Empty,
    /// `/health` while serving. 200.
    Healthy,
    /// Anything else.
    Refused(Refusal),
}

/// Why a request was not accepted.
#[derive(Debug)]
pub enum Refusal {
    /// The head cannot be read, or read in one way only. The client's.
    Head(HeadError),
    /// A deadline passed while the client had the floor. The client's.
    Timeout(Deadline),
    /// The chunked coding is malformed. The client's.
    Body(BodyError),
    /// The body is larger than `body_bytes_max`. The client's.
    BodyTooLarge,
    /// Nobody can be recognised; the answer does not say why. The client's, but for what is busy.
    Unauthenticated(Denial),
    /// Somebody was recognised, who may not send to this route. The client's.
    RouteNotAllowed,
    /// No such route. The client's.
    UnknownRoute,
    /// The path exists, the method is not for it. The client's.
    Method(Allow),
    /// A body in a format other than JSON and NDJSON. The client's.
    MediaType,
    /// A compressed body. The client's.
    ContentCoding,
    /// The body is no JSON, or holds records that are not valid. The client's.
    Invalid(Rejection),
    /// Too much is in flight. Ours.
    InFlight(InFlightFull),
    /// A shutdown has begun. Ours.
    Draining,
    /// The records were not delivered, or not all. Ours, the operator's or the brokers'.
    Produce(Failure),
    /// The valid records were not delivered, or not all; the others were refused, as the model
    /// wants it. As above.
    ProduceValid(Failure, Box<Rejection>),
    /// The letters about invalid records were not delivered: to refuse those for good would lose
    /// them. What the failure says is said of the records, not of the letters. As above.
    DeadLetters(Failure),
}

/// What a client was too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Its next request.
    Idle,
    /// A request's head.
    Head,
    /// A request's body.
    Body,
}

/// What a path may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// A route.
    Post,
    /// `/health`.
    GetHead,
}

/// Every answer that there is; the order is that of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each code's meaning is its row's detail")]
pub enum Code {
    Accepted,
    PartlyAccepted,
    Healthy,
    MalformedRequest,
    RequestLineTooLong,
    HeadTooLarge,
    TooManyHeaders,
    UnsupportedVersion,
    UnsupportedExpectation,
    IdleTimeout,
    HeadTimeout,
    BodyTimeout,
    MalformedBody,
    BodyTooLarge,
    Unauthenticated,
    RouteNotAllowed,
    UnknownRoute,
    MethodNotAllowed,
    UnsupportedMediaType,
    UnsupportedContentCoding,
    InvalidJson,
    InvalidRecord,
    RecordTooLarge,
    TooManyRecords,
    AuthenticationBusy,
    KeysUnavailable,
    InFlightFull,
    Draining,
    QueueFull,
    BrokerUnavailable,
    DeliveryTimedOut,
    ProducerFatal,
    RecordTooLargeForBroker,
    PartlyTooLargeForBroker,
    RecordRefusedByBroker,
    TopicMissing,
    NotAuthorizedByBroker,
    DeadLetterRefused,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The next request may follow.
    Keep,
    /// Where the next request would start is unknown, or none is wanted.
    Close,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Whose line it is.
    pub code: Code,
    /// Stable, for machines.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For a person.
    pub detail: &'static str,
    /// Whether the same request may succeed later: then `Retry-After` is sent.
    pub retry: bool,
    /// What becomes of the connection.
    pub fate: Fate,
    /// How loudly it is logged.
    pub level: Level,
}

/// The table: a line for each code, in their order.
pub static TABLE: [Row; 38] = [
    ok(Code::Accepted, "accepted"),
    Row {
        status: 207,
        ..ok(Code::PartlyAccepted, "partly_accepted")
    },
    ok(Code::Healthy, "healthy"),
    framing(
        Code::MalformedRequest,
        "malformed_request",
        400,
        "The request is not well-formed HTTP/1.1.",
    ),
    framing(
        Code::RequestLineTooLong,
        "request_line_too_long",
        414,
        "The request line is too long.",
    ),
    framing(
        Code::HeadTooLarge,
        "head_too_large",
        431,
        "The request head is too large.",
    ),
    framing(
        Code::TooManyHeaders,
        "too_many_headers",
        431,
        "The request has too many header fields.",
    ),
    framing(
        Code::UnsupportedVersion,
        "unsupported_http_version",
        505,
        "Only HTTP/1.1 and HTTP/1.0 are served.",
    ),
    framing(
        Code::UnsupportedExpectation,
        "unsupported_expectation",
        417,
        "Only the expectation 100-continue is known.",
    ),
    framing(
        Code::IdleTimeout,
        "idle_timeout",
        408,
        "No request arrived in time.",
    ),
    framing(
        Code::HeadTimeout,
        "head_timeout",
        408,
        "The request head did not arrive in time.",
    ),
    framing(
        Code::BodyTimeout,
        "body_timeout",
        408,
        "The request body did not arrive in time.",
    ),
    framing(
        Code::MalformedBody,
        "malformed_body",
        400,
        "The chunked body is not well-formed.",
    ),
    client(
        Code::BodyTooLarge,
        "body_too_large",
        413,
        "The body is larger than limits.body_bytes_max.",
    ),
    client(
        Code::Unauthenticated,
        "unauthenticated",
        401,
        "A good credential is needed: Authorization: Bearer, and a token.",
    ),
    client(
        Code::RouteNotAllowed,
        "route_not_allowed",
        403,
        "The credential is good, but not for this route.",
    ),
    client(
        Code::UnknownRoute,
        "unknown_route",
        404,
        "There is no such route; ringest --list-routes shows those that there are.",
    ),
    client(
        Code::MethodNotAllowed,
        "method_not_allowed",
        405,
        "The path does not take this method.",
    ),
    client(
        Code::UnsupportedMediaType,
        "unsupported_media_type",
        415,
        "The body must be JSON (application/json) or NDJSON (application/x-ndjson), in UTF-8.",
    ),
    client(
        Code::UnsupportedContentCoding,
        "unsupported_content_encoding",
        415,
        "The body must not be compressed.",
    ),
    client(
        Code::InvalidJson,
        "invalid_json",
        400,
        "The body is not well-formed JSON.",
    ),
    client(
        Code::InvalidRecord,
        "invalid_record",
        400,
        "At least one record is not valid; nothing of the request was produced.",
    ),
    client(
        Code::RecordTooLarge,
        "record_too_large",
        413,
        "A record is larger than limits.record_bytes_max.",
    ),
    client(
        Code::TooManyRecords,
        "too_many_records",
        413,
        "The request holds more than limits.records_max records.",
    ),
    shed(
        Code::AuthenticationBusy,
        "authentication_busy",
        "Too many credentials wait to be verified.",
    ),
    shed(
        Code::KeysUnavailable,
        "keys_unavailable",
        "The keys of the token's issuer have not been fetched yet.",
    ),
    shed(
        Code::InFlightFull,
        "in_flight_full",
        "As much is in flight as limits.in_flight_bytes_max allows.",
    ),
    shed(Code::Draining, "draining", "This server is shutting down."),
    shed(
        Code::QueueFull,
        "queue_full",
        "The producer's queue is full.",
    ),
    shed(
        Code::BrokerUnavailable,
        "broker_unavailable",
        "No broker took the records.",
    ),
    shed(
        Code::DeliveryTimedOut,
        "delivery_timed_out",
        "The brokers did not acknowledge in time.",
    ),
    shed(
        Code::ProducerFatal,
        "producer_fatal",
        "The producer is being replaced.",
    ),
    client(
        Code::RecordTooLargeForBroker,
        "record_too_large_for_broker",
        413,
        "A record is larger than its topic takes.",
    ),
    operator(
        Code::PartlyTooLargeForBroker,
        "partly_too_large_for_broker",
        "Some records are larger than their topic takes; others are in it.",
    ),
    operator(
        Code::RecordRefusedByBroker,
        "record_refused_by_broker",
        "The broker refuses a record: topic and model do not fit together.",
    ),
    operator(
        Code::TopicMissing,
        "topic_missing",
        "The route's topic does not exist.",
    ),
    operator(
        Code::NotAuthorizedByBroker,
        "not_authorized_by_broker",
        "The brokers do not let this server write to the route's topic.",
    ),
    operator(
        Code::DeadLetterRefused,
        "dead_letter_refused",
        "Records are not valid, and the brokers refuse what was to go to the model's dead-letter \
         topic: it does not exist, is not this server's to write to, or takes less.",
    ),
];

impl Code {
    /// Its line of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

const fn ok(code: Code, name: &'static str) -> Row {
    Row {
        code,
        name,
        status: 200,
        detail: "",
        retry: false,
        fate: Fate::Keep,
        level: Level::TRACE,
    }
}

/// The client's, and nothing behind it can be trusted.
const fn framing(code: Code, name: &'static str, status: u16, detail: &'static str) -> Row {
    Row {
        code,
        name,
        status,
        detail,
        retry: false,
        fate: Fate::Close,
        level: Level::DEBUG,
    }
}

/// The client's.
const fn client(code: Code, name: &'static str, status: u16, detail: &'static str) -> Row {
    Row {
        fate: Fate::Keep,
        ..framing(code, name, status, detail)
    }
}

/// We are full, or the brokers are in trouble: later it may work.
const fn shed(code: Code, name: &'static str, detail: &'static str) -> Row {
    Row {
        retry: true,
        level: Level::WARN,
        ..client(code, name, 503, detail)
    }
}

/// The operator's: it stays until somebody mends it.
const fn operator(code: Code, name: &'static str, detail: &'static str) -> Row {
    Row {
        level: Level::ERROR,
        ..client(code, name, 500, detail)
    }
}

impl Outcome {
    /// The answer's code.
    pub fn code(&self) -> Code {
        match self {
            Self::Accepted(_) | Self::Empty => Code::Accepted,
            Self::PartlyAccepted(..) => Code::PartlyAccepted,
            Self::Healthy => Code::Healthy,
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// Whether the connection may go on after this answer, as far as the answer is concerned.
    pub fn keeps_connection(&self) -> bool {
        self.code().row().fate == Fate::Keep
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Unauthenticated(denial)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Invalid(rejection)
    }
}

impl From<InFlightFull> for Refusal {
    fn from(full: InFlightFull) -> Self {
        Self::InFlight(full)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Produce(failure)
    }
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Head(error) => head(*error),
            Self::Timeout(Deadline::Idle) => Code::IdleTimeout,
            Self::Timeout(Deadline::Head) => Code::HeadTimeout,
            Self::Timeout(Deadline::Body) => Code::BodyTimeout,
            Self::Body(BodyError::TooLarge) | Self::BodyTooLarge => Code::BodyTooLarge,
            Self::Body(
                BodyError::ChunkSize
                | BodyError::ChunkSizeTooLong
                | BodyError::ChunkExtension
                | BodyError::ChunkExtensionsTooLong
                | BodyError::LineEnd
                | BodyError::ChunkDataEnd
                | BodyError::TrailerName
                | BodyError::TrailerValue
                | BodyError::TrailerForbidden
                | BodyError::TrailersTooLarge,
            ) => Code::MalformedBody,
            Self::Unauthenticated(denial) => unauthenticated(*denial),
            Self::RouteNotAllowed => Code::RouteNotAllowed,
            Self::UnknownRoute => Code::UnknownRoute,
            Self::Method(Allow::Post | Allow::GetHead) => Code::MethodNotAllowed,
            Self::MediaType => Code::UnsupportedMediaType,
            Self::ContentCoding => Code::UnsupportedContentCoding,
            Self::Invalid(rejection) => invalid(rejection),
            Self::InFlight(InFlightFull) => Code::InFlightFull,
            Self::Draining => Code::Draining,
            Self::Produce(failure) | Self::ProduceValid(failure, _) => produce(failure),
            Self::DeadLetters(failure) => dead_letters(failure),
        }
    }
}

fn unauthenticated(denial: Denial) -> Code {
    match denial {
        Denial::Missing
        | Denial::Repeated
        | Denial::InQuery
        | Denial::Scheme
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
        | Denial::Signature => Code::Unauthenticated,
        Denial::KeysUnavailable => Code::KeysUnavailable,
        Denial::Busy => Code::AuthenticationBusy,
    }
}

fn head(error: HeadError) -> Code {
    match error {
        HeadError::EmptyLines
        | HeadError::LineEnd
        | HeadError::RequestLine
        | HeadError::Target
        | HeadError::Folded
        | HeadError::FieldName
        | HeadError::FieldValue
        | HeadError::HostMissing
        | HeadError::HostRepeated
        | HeadError::Host
        | HeadError::ContentLength
        | HeadError::ContentLengthRepeated
        | HeadError::TransferEncoding
        | HeadError::LengthAndEncoding
        | HeadError::ContentTypeRepeated => Code::MalformedRequest,
        HeadError::RequestLineTooLong => Code::RequestLineTooLong,
        HeadError::HeadTooLarge => Code::HeadTooLarge,
        HeadError::TooManyHeaders => Code::TooManyHeaders,
        HeadError::UnsupportedVersion => Code::UnsupportedVersion,
        HeadError::UnsupportedExpectation => Code::UnsupportedExpectation,
    }
}

/// By the first fault, but that a size is told only where nothing else is wrong.
fn invalid(rejection: &Rejection) -> Code {
    let first = rejection.faults.first().map(|fault| fault.code);
    match (rejection.kind, first) {
        (RejectionKind::TooLarge, Some(FaultCode::TooManyRecords)) => Code::TooManyRecords,
        (RejectionKind::TooLarge, _) => Code::RecordTooLarge,
        (RejectionKind::Invalid, Some(code)) => match code {
            FaultCode::EmptyBody | FaultCode::BadJson | FaultCode::InvalidUtf8 => Code::InvalidJson,
            FaultCode::NumberOutOfRange
            | FaultCode::NotAnObject
            | FaultCode::TooDeep
            | FaultCode::RecordTooLarge
            | FaultCode::TooManyRecords
            | FaultCode::MissingField
            | FaultCode::UnknownField
            | FaultCode::WrongType
            | FaultCode::OutOfRange
            | FaultCode::BadFormat
            | FaultCode::NotInEnum
            | FaultCode::TooLong
            | FaultCode::WrongLength => Code::InvalidRecord,
        },
        (RejectionKind::Invalid, None) => Code::InvalidRecord,
    }
}

fn produce(failure: &Failure) -> Code {
    match (failure.fault, &failure.persisted) {
        (Fault::TimedOut, _) => Code::DeliveryTimedOut,
        (Fault::BrokerUnavailable, _) => Code::BrokerUnavailable,
        (Fault::QueueFull, _) => Code::QueueFull,
        (Fault::Draining, _) => Code::Draining,
        (Fault::ProducerFatal, _) => Code::ProducerFatal,
        (Fault::RecordTooLarge, Persisted::No) => Code::RecordTooLargeForBroker,
        // A part is in, so it is not the client's to send the whole again.
        (Fault::RecordTooLarge, Persisted::Unknown | Persisted::Partial { .. }) => {
            Code::PartlyTooLargeForBroker
        }
        (Fault::RecordRefused, _) => Code::RecordRefusedByBroker,
        (Fault::TopicMissing, _) => Code::TopicMissing,
        (Fault::NotAuthorized, _) => Code::NotAuthorizedByBroker,
    }
}

fn dead_letters(failure: &Failure) -> Code {
    match failure.fault {
        Fault::TimedOut
        | Fault::BrokerUnavailable
        | Fault::QueueFull
        | Fault::Draining
        | Fault::ProducerFatal => produce(failure),
        // A letter's size, its topic and the right to write there are none of the client's.
        Fault::RecordTooLarge
        | Fault::RecordRefused
        | Fault::TopicMissing
        | Fault::NotAuthorized => Code::DeadLetterRefused,
    }
}

#[cfg(test)]
mod tests;
