//! What librdkafka says about its own properties, asked at `--check` and at the start.

#![expect(
    unsafe_code,
    reason = "librdkafka lists its properties to a C stream only"
)]

use std::{collections::BTreeMap, ffi::CStr, ptr};

use rdkafka::{ClientConfig, bindings, error::KafkaError, types::RDKafkaConfRes};

/// Properties that ringest must own, and why.
const OWNED: &[(&str, &str)] = &[
    (
        "delivery.report.only.error",
        "ringest answers from the delivery report of every record",
    ),
    ("enabled_events", "ringest chooses the events that it reads"),
    ("log.queue", "ringest reads librdkafka's log itself"),
    (
        "enable.gapless.guarantee",
        "one record that could not be delivered would stop every producer for good",
    ),
    (
        "statistics.interval.ms",
        "ringest does not read librdkafka's statistics; its own metrics have the brokers' round trips",
    ),
    (
        "transactional.id",
        "a transaction would be one for all clients of a worker; ringest acknowledges each request",
    ),
    (
        "test.mock.num.brokers",
        "records would be acknowledged by a broker within this process, and lost with it",
    ),
];

/// Properties by which librdkafka would get tokens with libcurl, by the beginning of their names, and what
/// there is instead.
const OF_LIBCURL: &[(&str, &str)] = &[
    (
        "sasl.oauthbearer.token.endpoint.url",
        "set kafka.oauth.token_url",
    ),
    (
        "sasl.oauthbearer.method",
        "set kafka.oauth.token_url and remove this one",
    ),
    ("sasl.oauthbearer.client.id", "set kafka.oauth.client_id"),
    (
        "sasl.oauthbearer.client.secret",
        "set kafka.oauth.client_secret or kafka.oauth.client_secret_file",
    ),
    ("sasl.oauthbearer.scope", "set kafka.oauth.scope"),
    ("sasl.oauthbearer.extensions", "set kafka.oauth.extensions"),
    (
        "sasl.oauthbearer.grant.type",
        "ringest uses client_credentials; tokens of other grants can be in a file (kafka.oauth.token_file)",
    ),
    (
        "sasl.oauthbearer.assertion.",
        "ringest authenticates with a client secret; tokens by other means can be in a file \
         (kafka.oauth.token_file)",
    ),
    (
        "sasl.oauthbearer.metadata.authentication.type",
        "tokens of a metadata service can be in a file (kafka.oauth.token_file)",
    ),
    (
        "https.ca.",
        "the environment variable SSL_CERT_FILE names the certificates that https is checked against",
    ),
];

/// What there is instead of Kerberos.
const WITHOUT_KERBEROS: &str = "GSSAPI (Kerberos) is not in this build: use SCRAM-SHA-512, OAUTHBEARER or a \
                                client certificate (security.protocol = \"SSL\")";

/// The features that librdkafka was built with, such as `ssl`, `zstd`, `sasl_scram`.
pub fn features() -> Vec<String> {
    let config = ClientConfig::new().create_native_config();
    let features = config.and_then(|it| it.get("builtin.features"));
    let features = features.unwrap_or_default();
    features.split(',').map(str::to_owned).collect()
}

/// The SASL mechanisms of this build, as librdkafka writes them.
fn mechanisms() -> Vec<&'static str> {
    let built = features();
    let all = [
        ("sasl_plain", "PLAIN"),
        ("sasl_scram", "SCRAM-SHA-256"),
        ("sasl_scram", "SCRAM-SHA-512"),
        ("sasl_oauthbearer", "OAUTHBEARER"),
        ("sasl_gssapi", "GSSAPI"),
    ];
    let all = all.into_iter();
    let built = all.filter(|(feature, _)| built.iter().any(|it| it == feature));
    built.map(|(_, mechanism)| mechanism).collect()
}

/// What `sasl.mechanisms` may be, unless `given` is among it.
///
/// # Errors
/// What it may be, and what there is instead of a mechanism that this build does not have.
pub fn check_mechanism(given: Option<&str>) -> Result<(), String> {
    let mechanisms = mechanisms();
    let allowed = mechanisms.join(", ");
    match given {
        Some(given) if mechanisms.contains(&given) => Ok(()),
        Some("GSSAPI") => Err(WITHOUT_KERBEROS.to_owned()),
        Some("AWS_MSK_IAM") => Err(format!(
            "librdkafka has no AWS_MSK_IAM: use SCRAM-SHA-512 or a client certificate, or OAUTHBEARER with a \
             token that a sidecar signs and writes to kafka.oauth.token_file (one of {allowed})"
        )),
        Some(_) => Err(format!("one of {allowed}")),
        None => Err(format!(
            "one of {allowed} (librdkafka's default, GSSAPI, is not in this build)"
        )),
    }
}

/// Why librdkafka, or ringest on its behalf, refuses a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyError {
    /// The property as given.
    pub key: String,
    /// librdkafka's own text where it is librdkafka that refuses.
    pub message: String,
    /// Whether another value would do; else the property can't be set at all.
    pub is_of_value: bool,
}

/// The value of a property; of several the last one counts, as for librdkafka.
pub fn property<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let given = properties.iter().rev().find(|(given, _)| given == name);
    given.map(|(_, value)| value.as_str())
}

/// The properties that a producer of ringest can't be given: unknown ones, values out of range,
/// those of consumers, and those that ringest must own. Each is checked by itself; what only fails
/// together is found when the producer is created.
pub fn check_properties(properties: &[(String, String)]) -> Vec<PropertyError> {
    let known = KnownProperties::new();
    let refused = |(key, value): &(String, String)| {
        let error = |message| PropertyError {
            key: key.clone(),
            message,
            is_of_value: false,
        };
        let canonical = known.canonical(key);
        if let Some((_, reason)) = OWNED.iter().find(|(name, _)| *name == canonical) {
            return Some(error(format!("not to be set: {reason}")));
        }
        let is_of_libcurl = |name: &str| canonical.starts_with(name);
        if let Some((_, instead)) = OF_LIBCURL.iter().find(|(name, _)| is_of_libcurl(name)) {
            let message = format!("not in this build, which has no libcurl: {instead}");
            return Some(error(message));
        }
        if canonical.starts_with("sasl.kerberos.") && !mechanisms().contains(&"GSSAPI") {
            return Some(error(WITHOUT_KERBEROS.to_owned()));
        }
        if known.is_consumer_only(key) {
            let message = "not to be set: a property of consumers; ringest only produces";
            return Some(error(message.to_owned()));
        }
        match ClientConfig::new().set(key, value).create_native_config() {
            Ok(_) => None,
            Err(KafkaError::ClientConfig(code, message, ..)) => {
                let message = message.trim_end(); // some end with a line feed
                Some(match known.nearest(key) {
                    _ if code != RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => PropertyError {
                        is_of_value: true,
                        ..error(message.to_owned())
                    },
                    Some(name) => error(format!("{message}; did you mean \"{name}\"?")),
                    None => error(message.to_owned()),
                })
            }
            Err(other) => Some(error(other.to_string())),
        }
    };
    properties.iter().filter_map(refused).collect()
}

/// The properties that librdkafka documents, read from the list that it prints (the same as its
/// `CONFIGURATION.md`), so that no list of ours can lag behind.
#[derive(Debug)]
pub struct KnownProperties(BTreeMap<String, Property>);

#[derive(Debug, Default)]
struct Property {
    consumer_only: bool,
    producer_only: bool,
    alias_of: Option<String>,
}

impl KnownProperties {
    /// Asks librdkafka. Without memory for the list it is empty: nothing is an alias then, and
    /// librdkafka still checks every property.
    #[expect(clippy::new_without_default, reason = "it asks; it is not a default")]
    pub fn new() -> Self {
        let list = printed_list();
        let mut properties = BTreeMap::<_, Property>::new();
        for row in list.lines() {
            let mut columns = row.splitn(3, '|').map(str::trim);
            let (Some(name), Some(who), Some(rest)) =
                (columns.next(), columns.next(), columns.next())
            else {
                continue;
            };
            if !matches!(who, "C" | "P" | "*") {
                continue; // the heading, and the rule below it
            }
            // A name can stand twice, for the client and for a topic.
            let first = !properties.contains_key(name);
            let property = properties.entry(name.to_owned()).or_default();
            property.consumer_only = who == "C" && (first || property.consumer_only);
            property.producer_only = who == "P" && (first || property.producer_only);
            if let Some((_, alias)) = rest.split_once("Alias for `") {
                property.alias_of = alias.split('`').next().map(str::to_owned);
            }
        }
        Self(properties)
    }

    /// Whether librdkafka documents that name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Every name that librdkafka documents.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The name itself, or what it is an alias of.
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        let alias = self.0.get(name).and_then(|it| it.alias_of.as_deref());
        alias.unwrap_or(name)
    }

    /// Whether a property means nothing to a consumer.
    pub fn is_producer_only(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.producer_only)
    }

    fn is_consumer_only(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.consumer_only)
    }

    fn nearest(&self, name: &str) -> Option<&str> {
        crate::document::nearest(name, self.names())
    }
}

/// librdkafka's table of properties: a row each, columns separated by `|`.
fn printed_list() -> String {
    let mut text = ptr::null_mut();
    let mut size = 0;
    // SAFETY: both pointers outlive the stream, which is closed below before they are read.
    let stream = unsafe { libc::open_memstream(&raw mut text, &raw mut size) };
    if stream.is_null() {
        return String::new();
    }
    // SAFETY: the stream is open, and closed exactly once; librdkafka only prints to it.
    let closed = unsafe {
        bindings::rd_kafka_conf_properties_show(stream.cast());
        libc::fclose(stream)
    };
    let list = if closed == 0 && !text.is_null() {
        // SAFETY: `open_memstream` ends the text with a NUL once the stream is closed.
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    } else {
        String::new()
    };
    // SAFETY: the buffer is malloc's and ours to free (open_memstream(3)); free takes NULL too.
    unsafe { libc::free(text.cast()) };
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(key: &str, value: &str) -> Vec<String> {
        let errors = check_properties(&[(key.to_owned(), value.to_owned())]);
        errors.into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn the_list_has_names_aliases_and_consumers() {
        let known = KnownProperties::new();
        assert!(known.contains("bootstrap.servers") && known.contains("log_level"));
        assert!(!known.contains("Property") && !known.contains("no.such"));
        assert!(known.0.len() > 100);
        assert_eq!(
            known.canonical("metadata.broker.list"),
            "metadata.broker.list"
        );
        assert_eq!(known.canonical("bootstrap.servers"), "metadata.broker.list");
        assert_eq!(known.canonical("delivery.timeout.ms"), "message.timeout.ms");
        assert_eq!(known.canonical("no.such"), "no.such");
        assert!(known.is_consumer_only("group.id"));
        assert!(!known.is_consumer_only("client.rack"));
        assert!(!known.is_consumer_only("acks"));
        assert!(known.is_producer_only("acks"));
        assert!(!known.is_producer_only("security.protocol"));
    }

    #[test]
    fn librdkafka_checks_names_and_ranges() {
        assert!(messages("linger.ms", "0.5").is_empty());
        assert!(messages("sasl.password", "x").is_empty());
        let [unknown] = &messages("linger.mss", "1")[..] else {
            panic!("one error");
        };
        assert!(
            unknown.contains("No such configuration property"),
            "{unknown}"
        );
        assert!(
            unknown.ends_with("did you mean \"linger.ms\"?"),
            "{unknown}"
        );
        let [range] = &messages("message.max.bytes", "999")[..] else {
            panic!("one error");
        };
        assert!(range.contains("outside allowed range"), "{range}");
        assert!(messages("message.max.bytes", "1000").is_empty());
    }

    #[test]
    fn consumers_and_our_own_properties_are_refused() {
        assert!(messages("group.id", "x")[0].contains("only produces"));
        for (name, reason) in OWNED {
            assert!(messages(name, "1")[0].contains(reason));
        }
    }

    #[test]
    fn each_bad_property_is_reported() {
        let bad = [("a.b", "1"), ("acks", "all"), ("acks", "many")];
        let bad = bad.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let errors = check_properties(&bad);
        let keys: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["a.b", "acks"]);
    }
}
