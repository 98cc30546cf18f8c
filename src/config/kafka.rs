//! `[kafka]`: the operator's librdkafka properties, ringest's defaults, and their consistency with
//! the limits and deadlines.

mod access;
mod files;

use std::{path::Path, time::Duration};

pub(super) use files::Files;

use super::{
    Limits,
    keys::{self, ACK_TIMEOUT},
    reader::Reader,
};
use crate::{
    document::{ConfigError, Setting, Value, grouped},
    model::SchemaPrefix,
    oauth::TokenSettings,
    produce::{MESSAGE_OVERHEAD_BYTES, properties::check_properties},
};

/// The properties for librdkafka, and warnings about them.
pub(super) struct Kafka {
    pub(super) properties: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
    /// The files that their values are from.
    pub(super) files: Files,
    /// Where tokens come from.
    pub(super) tokens: Option<TokenSettings>,
}

/// Properties that a reload can change, as the handles are replaced then: how ringest authenticates, and what
/// it trusts.
const CREDENTIALS: [&str; 12] = [
    "sasl.password",
    "sasl.username",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
];

/// Whether it is a property that a reload can change.
pub(super) fn is_credential(property: &str) -> bool {
    CREDENTIALS.contains(&property)
}

/// Properties without a default that ringest reads itself, by these of their names.
const READ: [&str; 2] = ["linger.ms", "max.in.flight.requests.per.connection"];

/// The largest record, in bytes, that librdkafka's thread copies into a request, rather than have the kernel read
/// it where it is. With librdkafka's own default, 65,535, records of 10 to 30 KB cost 7 % more.
const COPIED_BYTES_MAX: usize = 4_096;

/// A property set by the operator.
struct Given {
    /// The canonical name, of which librdkafka has aliases.
    canonical: String,
    /// As written, without `kafka.`.
    name: String,
    value: String,
    /// Where it is set.
    setting: Setting,
}

/// Every property, checked by librdkafka; errors go to the reader. Files of ringest's own keys are relative to
/// `directory`; if it is `None` no file is read.
pub(super) fn properties(
    reader: &mut Reader,
    limits: &Limits,
    ack: Duration,
    queue_records_max: usize,
    directory: Option<&Path>,
) -> Kafka {
    let mut given = given(reader);
    let mut files = files::read(reader, &mut given, directory);
    let tokens = access::tokens(reader, directory, &mut files);
    let pairs = given.iter().map(|it| (it.name.clone(), it.value.clone()));
    for error in check_properties(&pairs.collect::<Vec<_>>()) {
        if let Some(it) = given.iter().find(|it| it.name == error.key) {
            reader.raw.errors.push(if error.is_of_value {
                it.setting.not_allowed(&error.message)
            } else {
                it.setting.error(error.message)
            });
        }
    }
    let mut defaults = defaults(limits, ack, queue_records_max);
    if !access::is_encrypted(reader, &given) {
        defaults.push(("message.copy.max.bytes", COPIED_BYTES_MAX.to_string()));
    }
    let mut warnings = access::check(reader, &given, directory.is_some());
    if let Some(acks) = weak_acks(reader, &given) {
        // librdkafka rejects the combination, and the operator did not set this one.
        defaults.retain(|(name, _)| *name != "enable.idempotence");
        warnings.push(format!(
            "kafka.acks = {acks}: a 2xx no longer means that every in-sync replica has the record"
        ));
    }
    brokers_are_named(reader, &given);
    deadlines_hold(reader, &given, ack);
    records_fit(reader, &given, limits);
    warnings.extend(queue_is_small(reader, &given, limits));

    let mut given: Vec<_> = given.into_iter().map(Some).collect();
    let ours = defaults.into_iter().map(|(name, default)| {
        let same = |it: &&mut Option<Given>| is_property(reader, it.as_ref(), name);
        let operators = given.iter_mut().find(same).and_then(Option::take);
        (name.to_owned(), operators.map_or(default, |it| it.value))
    });
    let mut properties: Vec<_> = ours.collect();
    properties.extend(given.into_iter().flatten().map(|it| {
        let read = READ
            .iter()
            .find(|name| is_property(reader, Some(&it), name));
        let name = read.map_or(it.name, |name| (*name).to_owned());
        (name, it.value)
    }));
    Kafka {
        properties,
        warnings,
        files,
        tokens,
    }
}

/// The properties set in the file and in the environment.
fn given(reader: &mut Reader) -> Vec<Given> {
    let mut given = Vec::new();
    for (canonical, setting) in &reader.raw.properties {
        match setting.read("a string, a number, true or false", Value::scalar) {
            Ok(value) => given.push(Given {
                canonical: canonical.clone(),
                name: setting.key.replacen("kafka.", "", 1),
                value,
                setting: setting.clone(),
            }),
            Err(error) => reader.raw.errors.push(error),
        }
    }
    given
}

/// The defaults of ringest. `bootstrap.servers` has no default.
fn defaults(
    limits: &Limits,
    ack: Duration,
    queue_records_max: usize,
) -> Vec<(&'static str, String)> {
    let ack_ms = ack.as_millis();
    let message = limits.record_bytes_max + Limits::RECORD_OVERHEAD_BYTES as usize;
    vec![
        ("bootstrap.servers", String::new()),
        ("client.id", "ringest".to_owned()),
        ("acks", "all".to_owned()),
        ("enable.idempotence", "true".to_owned()),
        // The same key-to-partition mapping as Java clients.
        ("partitioner", "murmur2_random".to_owned()),
        ("message.timeout.ms", ack_ms.to_string()),
        // How long librdkafka waits before it reports that a topic does not exist. With its
        // default of 30 s the message timeout would expire first and hide the reason.
        (
            "topic.metadata.propagation.max.ms",
            (ack_ms / 2).clamp(1, 5_000).to_string(),
        ),
        ("reconnect.backoff.ms", "100".to_owned()),
        // With the default of 10 s a recovery takes seconds longer.
        ("reconnect.backoff.max.ms", "1000".to_owned()),
        ("socket.keepalive.enable", "true".to_owned()),
        // Room for one request of `records_max`; the bytes below bound the queue.
        (
            "queue.buffering.max.messages",
            queue_records_max.to_string(),
        ),
        (
            "queue.buffering.max.kbytes",
            // A worker may get nearly all of it.
            limits
                .in_flight_bytes_max
                .div_ceil(1_024)
                .clamp(1_024, 2_147_483_647)
                .to_string(),
        ),
        ("message.max.bytes", message.max(1_000_000).to_string()),
    ]
}

/// The operator's value of a property, by any of its names.
fn find<'a>(reader: &Reader, given: &'a [Given], name: &str) -> Option<&'a Given> {
    given.iter().find(|it| is_property(reader, Some(it), name))
}

/// Whether it is the property of that name.
fn is_property(reader: &Reader, given: Option<&Given>, name: &str) -> bool {
    given.is_some_and(|it| it.canonical == reader.raw.canonical(name))
}

/// The operator's `acks` if it does not wait for all in-sync replicas.
fn weak_acks<'a>(reader: &Reader, given: &'a [Given]) -> Option<&'a str> {
    let acks = find(reader, given, "acks").map(|it| it.value.as_str())?;
    (acks != "-1" && !acks.eq_ignore_ascii_case("all")).then_some(acks)
}

/// Reports that a property's value is not allowed.
fn refuse(reader: &mut Reader, given: &Given, allowed: &str) {
    let error = given.setting.not_allowed(allowed);
    reader.raw.errors.push(error);
}

fn brokers_are_named(reader: &mut Reader, given: &[Given]) {
    const ALLOWED: &str = "one broker or more, such as \"localhost:9092\"";
    match find(reader, given, "bootstrap.servers") {
        Some(it) if it.value.trim().is_empty() => refuse(reader, it, ALLOWED),
        Some(_) => {}
        None => reader.raw.errors.push(ConfigError {
            origin: reader.raw.file.clone(),
            key: "kafka.bootstrap.servers".to_owned(),
            message: format!("missing: {ALLOWED}"),
        }),
    }
}

/// Checks that records time out in librdkafka before their request is answered.
fn deadlines_hold(reader: &mut Reader, given: &[Given], ack: Duration) {
    const ACK: &str = ACK_TIMEOUT.name;
    let ack_ms = ack.as_millis();
    let timeout = find(reader, given, "message.timeout.ms");
    let timeout_ms = match timeout {
        Some(it) => {
            let allowed = format!(
                "a whole number from 1 to {ACK} = {} (else a request is answered before its \
                 records time out)",
                grouped(ack_ms)
            );
            match decimal(&it.value).filter(|ms| (1..=ack_ms).contains(&u128::from(*ms))) {
                Some(ms) => u128::from(ms),
                None => return refuse(reader, it, &allowed),
            }
        }
        None => ack_ms,
    };
    let Some(linger) = find(reader, given, "linger.ms") else {
        return;
    };
    let linger_ms = linger.value.parse::<f64>();
    let timeout_ms = u32::try_from(timeout_ms).map_or(f64::MAX, f64::from);
    if linger_ms.is_ok_and(|linger_ms| linger_ms >= timeout_ms) && reader.are_good(&[ACK]) {
        let message = "message.timeout.ms (by default timeouts.ack_timeout_ms) must be greater \
                       than linger.ms";
        let at = timeout.unwrap_or(linger);
        reader.raw.errors.push(at.setting.error(message));
    }
}

/// Checks that the largest record fits into a message with a schema prefix and the framing.
fn records_fit(reader: &mut Reader, given: &[Given], limits: &Limits) {
    const BESIDE: usize = size_of::<SchemaPrefix>() + MESSAGE_OVERHEAD_BYTES;
    let Some(it) = find(reader, given, "message.max.bytes") else {
        return;
    };
    let least = limits.record_bytes_max + BESIDE;
    if reader.are_good(&[keys::RECORD_BYTES_MAX.name, &it.setting.key])
        && decimal(&it.value).is_none_or(|value| value < least as u64)
    {
        let allowed = format!(
            "a whole number of at least {} ({BESIDE} more than limits.record_bytes_max = {}, for \
             message overhead and a schema prefix)",
            grouped(least),
            grouped(limits.record_bytes_max)
        );
        refuse(reader, it, &allowed);
    }
}

/// Warnings if librdkafka's queue is too small for the largest request. An unbounded queue
/// (librdkafka's meaning of 0) is an error.
fn queue_is_small(reader: &mut Reader, given: &[Given], limits: &Limits) -> Vec<String> {
    let bounds = [
        (
            "queue.buffering.max.messages",
            1,
            (keys::RECORDS_MAX.name, limits.records_max),
            "a request with that many records never fits and is answered 503 queue_full",
        ),
        (
            "queue.buffering.max.kbytes",
            1_024,
            (keys::BODY_BYTES_MAX.name, limits.body_bytes_max),
            "a request of that size may not fit and is then answered 503 queue_full",
        ),
    ];
    let mut warnings = Vec::new();
    for (name, unit, (limit, most), consequence) in bounds {
        let Some(it) = find(reader, given, name) else {
            continue;
        };
        if !reader.are_good(&[limit, &it.setting.key]) {
            continue;
        }
        let least = most.div_ceil(unit) as u64;
        match decimal(&it.value).filter(|value| *value > 0) {
            None => refuse(reader, it, "a whole number of at least 1"),
            Some(value) if value < least => warnings.push(format!(
                "{} = {} is less than {} (from {limit} = {}): {consequence}",
                it.setting.key,
                grouped(value),
                grouped(least),
                grouped(most)
            )),
            Some(_) => {}
        }
    }
    warnings
}

/// A number in plain decimal digits; librdkafka reads a leading zero as octal.
fn decimal(text: &str) -> Option<u64> {
    if text.starts_with('0') && text.len() > 1 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
