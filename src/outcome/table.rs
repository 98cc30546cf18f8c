//! The table of answers: code -> status, text, blame, retry, log level, connection fate.

use tracing::Level;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The next request may follow.
    Keep,
    /// Where the next request starts is unknown, or none is accepted any more.
    Close,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code that it belongs to.
    pub code: Code,
    /// The stable code that clients and metrics see.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The text for people.
    pub detail: &'static str,
    /// Whether the same request may succeed later: then `Retry-After` is sent.
    pub retry: bool,
    /// What becomes of the connection.
    pub fate: Fate,
    /// The level that it is logged at.
    pub level: Level,
}

/// Defines the codes and their rows in one list; it sets each row's code.
macro_rules! table {
    ($($code:ident => $row:expr,)+) => {
        /// The outcome of a request as clients, metrics and logs see it; counters are indexed by it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "each code's meaning is its row's detail")]
        pub enum Code {
            $($code,)+
        }

        /// A row for each code, in their order.
        pub static TABLE: [Row; [$(Code::$code),+].len()] = [
            $(Row { code: Code::$code, ..$row },)+
        ];
    };
}

table! {
    Accepted => ok("accepted"),
    PartlyAccepted => Row { status: 207, ..ok("partly_accepted") },
    Healthy => ok("healthy"),
    // What load balancers are to see is no fault, and no request that was refused.
    Unhealthy => Row {
        level: Level::TRACE,
        ..shed("unhealthy", "This server is about to shut down: send requests to another one.")
    },
    Preflight => Row { status: 204, ..ok("preflight") },
    MalformedRequest => framing(
        "malformed_request", 400,
        "The request is not well-formed HTTP/1.1.",
    ),
    TlsRequired => framing("tls_required", 400, "This port needs TLS: use https."),
    RequestLineTooLong => framing("request_line_too_long", 414, "The request line is too long."),
    HeadTooLarge => framing("head_too_large", 431, "The request head is too large."),
    TooManyHeaders => framing("too_many_headers", 431, "The request has too many header fields."),
    UnsupportedVersion => framing(
        "unsupported_http_version", 505,
        "Only HTTP/1.1 and HTTP/1.0 are supported.",
    ),
    UnsupportedExpectation => framing(
        "unsupported_expectation", 417,
        "Only the expectation 100-continue is supported.",
    ),
    HeadTimeout => framing("head_timeout", 408, "The request head did not arrive in time."),
    BodyTimeout => framing("body_timeout", 408, "The request body did not arrive in time."),
    MalformedBody => framing("malformed_body", 400, "The chunked body is not well-formed."),
    BodyTooLarge => client("body_too_large", 413, "The body is larger than limits.body_bytes_max."),
    Unauthenticated => client(
        "unauthenticated", 401,
        "Authentication required: send a valid token as \"Authorization: Bearer <token>\".",
    ),
    OriginNotAllowed => client(
        "origin_not_allowed", 403,
        "Pages of the request's Origin may not use this key or certificate, or this server.",
    ),
    RouteNotAllowed => client(
        "route_not_allowed", 403,
        "The credential is valid, but does not allow this route.",
    ),
    UnknownRoute => client(
        "unknown_route", 404,
        "There is no route with this path; ringest --list-routes lists all routes.",
    ),
    MethodNotAllowed => client("method_not_allowed", 405, "This path does not support the method."),
    UnsupportedMediaType => client(
        "unsupported_media_type", 415,
        "The body must be JSON (application/json) or NDJSON (application/x-ndjson), in UTF-8.",
    ),
    UnsupportedContentCoding => client(
        "unsupported_content_encoding", 415,
        "The Content-Encoding is unknown, not enabled (listen.content_encodings), or applied more than \
         once; Accept-Encoding lists what is accepted.",
    ),
    InvalidContent => client(
        "invalid_content_encoding", 400,
        "The body can't be decoded as its Content-Encoding says.",
    ),
    CompressionRatio => client(
        "compression_ratio_exceeded", 413,
        "The body decodes to more than limits.compression_ratio_max times its compressed size.",
    ),
    InvalidJson => client("invalid_json", 400, "The body is not well-formed JSON."),
    InvalidRecord => client(
        "invalid_record", 400,
        "At least one record is invalid; no record of the request was produced.",
    ),
    RecordTooLarge => client(
        "record_too_large", 413,
        "A record is larger than limits.record_bytes_max.",
    ),
    TooManyRecords => client(
        "too_many_records", 413,
        "The request contains more than limits.records_max records.",
    ),
    PrincipalRequests => over_quota(
        "principal_requests_exceeded",
        "The client's quota of requests a second is used up.",
    ),
    PrincipalRecords => over_quota(
        "principal_records_exceeded",
        "The client's quota of records a second is used up.",
    ),
    PrincipalBytes => over_quota(
        "principal_bytes_exceeded",
        "The client's quota of bytes a second is used up.",
    ),
    RouteRequests => over_quota(
        "route_requests_exceeded",
        "The route's quota of requests a second, which its clients share, is used up.",
    ),
    RouteRecords => over_quota(
        "route_records_exceeded",
        "The route's quota of records a second, which its clients share, is used up.",
    ),
    RouteBytes => over_quota(
        "route_bytes_exceeded",
        "The route's quota of bytes a second, which its clients share, is used up.",
    ),
    AuthenticationBusy => shed(
        "authentication_busy",
        "Too many credentials are waiting to be verified.",
    ),
    KeysUnavailable => shed(
        "keys_unavailable",
        "The keys of the token's issuer have not been fetched yet, or not since the token arrived.",
    ),
    ConnectionsFull => Row {
        fate: Fate::Close,
        // Logged with numbers where connections are accepted.
        level: Level::DEBUG,
        ..shed(
            "connections_full",
            "All connections (limits.connections_max, or those of one address) are in use.",
        )
    },
    InFlightFull => shed(
        "in_flight_full",
        "The memory for data in flight (limits.in_flight_bytes_max) is used up.",
    ),
    Overloaded => shed("overloaded", "There are more requests than can be processed in time."),
    Draining => shed("draining", "This server is shutting down."),
    QueueFull => shed("queue_full", "The producer's queue is full."),
    BrokerUnavailable => shed("broker_unavailable", "No Kafka broker is available."),
    DeliveryTimedOut => shed("delivery_timed_out", "The brokers did not acknowledge in time."),
    ProducerFatal => shed(
        "producer_fatal",
        "The Kafka producer had a fatal error and is being replaced.",
    ),
    RecordTooLargeForBroker => client(
        "record_too_large_for_broker", 413,
        "A record is larger than its topic allows.",
    ),
    PartlyTooLargeForBroker => operator(
        "partly_too_large_for_broker",
        "Some records are larger than their topic allows; others were delivered.",
    ),
    NullKeyOnCompactedTopic => client(
        "null_key_on_compacted_topic", 400,
        "A record has no partition key, which its compacted topic requires.",
    ),
    TimestampOutOfTopicBounds => client(
        "timestamp_out_of_topic_bounds", 400,
        "A record's timestamp is earlier or later than its topic allows.",
    ),
    RecordRefusedByBroker => operator(
        "record_refused_by_broker",
        "The broker rejected a record: the topic's configuration does not fit the model.",
    ),
    TopicMissing => operator("topic_missing", "The route's topic does not exist."),
    NotAuthorizedByBroker => operator(
        "not_authorized_by_broker",
        "This server is not authorized to write to the route's topic.",
    ),
    DeadLetterRefused => operator(
        "dead_letter_refused",
        "At least one record is invalid, and the brokers rejected its dead letter: the dead-letter \
         topic does not exist, does not authorize this server, or has a smaller size limit.",
    ),
}

impl Code {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

const fn ok(name: &'static str) -> Row {
    Row {
        code: Code::Accepted,
        name,
        status: 200,
        detail: "",
        retry: false,
        fate: Fate::Keep,
        level: Level::TRACE,
    }
}

/// An error of the client after which the next request can't be found.
const fn framing(name: &'static str, status: u16, detail: &'static str) -> Row {
    Row {
        code: Code::Accepted,
        name,
        status,
        detail,
        retry: false,
        fate: Fate::Close,
        level: Level::DEBUG,
    }
}

/// An error of the client.
const fn client(name: &'static str, status: u16, detail: &'static str) -> Row {
    Row {
        fate: Fate::Keep,
        ..framing(name, status, detail)
    }
}

/// More than a quota allows: a later retry may succeed.
const fn over_quota(name: &'static str, detail: &'static str) -> Row {
    Row {
        retry: true,
        ..client(name, 429, detail)
    }
}

/// Overload, or unavailable brokers: a retry may succeed.
const fn shed(name: &'static str, detail: &'static str) -> Row {
    Row {
        retry: true,
        level: Level::WARN,
        ..client(name, 503, detail)
    }
}

/// An error in the configuration or on the brokers that an operator has to fix.
const fn operator(name: &'static str, detail: &'static str) -> Row {
    Row {
        level: Level::ERROR,
        ..client(name, 500, detail)
    }
}
