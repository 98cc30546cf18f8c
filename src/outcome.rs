//! How requests end, and which code each outcome is answered with ([`TABLE`] has the rest). There is
//! no wildcard arm, so that a new error of the server can never become a 400 by default.

use crate::{
    admission::AdmissionError,
    auth::{AuthError, Denial},
    http::{BodyError, Codings, ContentError, HeadError},
    produce::{Delivered, Failure, Fault, Persisted},
    quota::{QuotaError, QuotaOf, Unit},
    validate::{ErrorCode, Rejection, RejectionKind},
};

mod table;

pub use table::{Code, Fate, Row, TABLE};

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every record is in its topic. 200.
    Accepted(Delivered),
    /// Every valid record is in its topic; the invalid ones were rejected (`on_invalid =
    /// "accept_valid"`). 207.
    PartlyAccepted(Delivered, Rejection),
    /// The request had no records: `[]`. 200.
    Empty,
    /// `/health` while serving. 200.
    Healthy,
    /// `/health` once the end was announced. 503.
    Unhealthy,
    /// A browser may send what it has asked for (`[listen.cors]`). 204.
    Preflight,
    /// The request was not accepted, or not in full.
    Refused(Refusal),
}

/// Why a request was not accepted.
#[derive(Debug)]
pub enum Refusal {
    /// The head is malformed or ambiguous. Client error.
    Head(HeadError),
    /// HTTP without TLS, where TLS is needed. Client error.
    Plaintext,
    /// The client did not send all of a request before the deadline. Client error.
    Timeout(Deadline),
    /// The chunked coding is malformed. Client error.
    Body(BodyError),
    /// The body is larger than `body_bytes_max`. Client error.
    BodyTooLarge,
    /// Authentication failed; the answer says why to the bearer of an authentic credential alone. Client error,
    /// except for
    /// [`AuthError::Busy`], [`AuthError::KeysUnavailable`] and [`AuthError::KeyNotFetched`].
    Unauthenticated(Denial),
    /// A browser asks for a page of an origin that is not allowed. Client error.
    Origin,
    /// The credential is valid but not authorized for this route. Client error.
    RouteNotAllowed,
    /// There is no such route. Client error.
    UnknownRoute,
    /// The path exists, but does not support the method. Client error.
    Method(Allow),
    /// Over the quota of the principal or the route. Client error.
    Quota(QuotaError),
    /// The body is in a format other than JSON and NDJSON. Client error.
    MediaType,
    /// The body has an unknown content coding, several, or one that is not in these. Client error.
    ContentCoding(Codings),
    /// The body can't be decoded. Client error, except for [`ContentError::OutOfMemory`].
    Content(ContentError),
    /// A compressed body becomes more than `compression_ratio_max` times as large. Client error.
    CompressionRatio,
    /// The body is not JSON, or contains invalid records. Client error.
    Invalid(Rejection),
    /// All connections are in use, and this one is beyond them. Overload.
    ConnectionsFull,
    /// Too much data is in flight. Overload.
    Admission(AdmissionError),
    /// The worker has more to do than it can do in time. Overload.
    Overloaded,
    /// The server is shutting down.
    Draining,
    /// The records were not delivered, or not all. Error of the server, its configuration or the
    /// brokers.
    Produce(Failure),
    /// The valid records were not delivered, or not all; the invalid ones were rejected
    /// (`on_invalid = "accept_valid"`). As above.
    ProduceValid(Failure, Box<Rejection>),
    /// Dead letters were not delivered: a 4xx would lose the invalid records for good. The failure
    /// describes the records, not their dead letters. As above.
    DeadLetters(Failure),
}

/// The deadline that a client missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// That of a request's head.
    Head,
    /// That of a request's body.
    Body,
}

/// The methods that a path supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// A route.
    Post,
    /// `/health`.
    GetHead,
}

impl Outcome {
    /// The answer's code.
    pub fn code(&self) -> Code {
        match self {
            Self::Accepted(_) | Self::Empty => Code::Accepted,
            Self::PartlyAccepted(..) => Code::PartlyAccepted,
            Self::Healthy => Code::Healthy,
            Self::Unhealthy => Code::Unhealthy,
            Self::Preflight => Code::Preflight,
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// Records of the request that are known to be in their topic, those of a request that was not accepted in full
    /// left out.
    pub fn delivered(&self) -> usize {
        match self {
            Self::Accepted(delivered) | Self::PartlyAccepted(delivered, _) => delivered.records(),
            Self::Empty | Self::Healthy | Self::Unhealthy | Self::Preflight | Self::Refused(_) => 0,
        }
    }

    /// Whether the answer lists invalid records, and so may be large.
    pub fn lists_records(&self) -> bool {
        matches!(
            self,
            Self::PartlyAccepted(..)
                | Self::Refused(Refusal::Invalid(_) | Refusal::ProduceValid(..))
        )
    }

    /// Whether the answer allows the connection to continue.
    pub fn keeps_connection(&self) -> bool {
        self.code().row().fate == Fate::Keep
    }
}

impl From<Result<Delivered, Failure>> for Outcome {
    fn from(delivered: Result<Delivered, Failure>) -> Self {
        match delivered {
            Ok(delivered) => Self::Accepted(delivered),
            Err(failure) => Self::Refused(failure.into()),
        }
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

impl From<ContentError> for Refusal {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Unauthenticated(error.into())
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

impl From<QuotaError> for Refusal {
    fn from(error: QuotaError) -> Self {
        Self::Quota(error)
    }
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        Self::Admission(error)
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
            Self::Plaintext => Code::TlsRequired,
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
            Self::Unauthenticated(denial) => unauthenticated(denial.reason),
            Self::Origin => Code::OriginNotAllowed,
            Self::RouteNotAllowed => Code::RouteNotAllowed,
            Self::UnknownRoute => Code::UnknownRoute,
            Self::Method(Allow::Post | Allow::GetHead) => Code::MethodNotAllowed,
            Self::Quota(error) => quota(error),
            Self::MediaType => Code::UnsupportedMediaType,
            Self::ContentCoding(_) => Code::UnsupportedContentCoding,
            Self::Content(
                ContentError::Malformed
                | ContentError::Checksum
                | ContentError::Truncated
                | ContentError::Trailing
                | ContentError::Dictionary
                | ContentError::Window,
            ) => Code::InvalidContent,
            Self::CompressionRatio => Code::CompressionRatio,
            Self::Invalid(rejection) => invalid(rejection),
            Self::ConnectionsFull => Code::ConnectionsFull,
            Self::Admission(AdmissionError) | Self::Content(ContentError::OutOfMemory) => {
                Code::InFlightFull
            }
            Self::Overloaded => Code::Overloaded,
            Self::Draining => Code::Draining,
            Self::Produce(failure) | Self::ProduceValid(failure, _) => produce(failure),
            Self::DeadLetters(failure) => dead_letters(failure),
        }
    }
}

fn unauthenticated(error: AuthError) -> Code {
    match error {
        AuthError::Missing
        | AuthError::Repeated
        | AuthError::InQuery
        | AuthError::Scheme
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
        | AuthError::Signature
        | AuthError::Certificate => Code::Unauthenticated,
        AuthError::Origin => Code::OriginNotAllowed,
        AuthError::KeysUnavailable | AuthError::KeyNotFetched => Code::KeysUnavailable,
        AuthError::Busy => Code::AuthenticationBusy,
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
        | HeadError::ContentTypeRepeated
        | HeadError::ProxyHeader => Code::MalformedRequest,
        HeadError::RequestLineTooLong => Code::RequestLineTooLong,
        HeadError::HeadTooLarge => Code::HeadTooLarge,
        HeadError::TooManyHeaders => Code::TooManyHeaders,
        HeadError::UnsupportedVersion => Code::UnsupportedVersion,
        HeadError::UnsupportedExpectation => Code::UnsupportedExpectation,
    }
}

fn quota(error: &QuotaError) -> Code {
    match (error.of, error.unit) {
        (QuotaOf::Principal, Unit::Requests) => Code::PrincipalRequests,
        (QuotaOf::Principal, Unit::Records) => Code::PrincipalRecords,
        (QuotaOf::Principal, Unit::Bytes) => Code::PrincipalBytes,
        (QuotaOf::Route, Unit::Requests) => Code::RouteRequests,
        (QuotaOf::Route, Unit::Records) => Code::RouteRecords,
        (QuotaOf::Route, Unit::Bytes) => Code::RouteBytes,
    }
}

/// By the first error; the code for a size is used only where nothing else is wrong.
fn invalid(rejection: &Rejection) -> Code {
    let first = rejection.errors.first().map(|error| error.code);
    match (rejection.kind, first) {
        (RejectionKind::TooLarge, Some(ErrorCode::TooManyRecords)) => Code::TooManyRecords,
        (RejectionKind::TooLarge, _) => Code::RecordTooLarge,
        (RejectionKind::Invalid, Some(code)) => match code {
            ErrorCode::EmptyBody | ErrorCode::BadJson | ErrorCode::InvalidUtf8 => Code::InvalidJson,
            ErrorCode::NumberOutOfRange
            | ErrorCode::NotAnObject
            | ErrorCode::TooDeep
            | ErrorCode::RecordTooLarge
            | ErrorCode::TooManyRecords
            | ErrorCode::MissingField
            | ErrorCode::UnknownField
            | ErrorCode::WrongType
            | ErrorCode::OutOfRange
            | ErrorCode::BadFormat
            | ErrorCode::NotInEnum
            | ErrorCode::TooLong
            | ErrorCode::WrongLength => Code::InvalidRecord,
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
        // Some records were delivered: the client must not send the whole request again.
        (Fault::RecordTooLarge, Persisted::Unknown | Persisted::Partial { .. }) => {
            Code::PartlyTooLargeForBroker
        }
        (Fault::NullKey, Persisted::No) => Code::NullKeyOnCompactedTopic,
        (Fault::TimestampOutOfBounds, Persisted::No) => Code::TimestampOutOfTopicBounds,
        // As for the size: others of the request may have been delivered.
        (
            Fault::NullKey | Fault::TimestampOutOfBounds,
            Persisted::Unknown | Persisted::Partial { .. },
        )
        | (Fault::RecordRefused, _) => Code::RecordRefusedByBroker,
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
        // The client can't change a dead letter's size or key, its topic, or who may write there.
        Fault::RecordTooLarge
        | Fault::NullKey
        | Fault::TimestampOutOfBounds
        | Fault::RecordRefused
        | Fault::TopicMissing
        | Fault::NotAuthorized => Code::DeadLetterRefused,
    }
}

#[cfg(test)]
mod tests;
