//! What values of keys stand for.

use std::time::Duration;

use super::TIMEOUT_MS_MAX;
use crate::{
    config::key::{Key, Place},
    document::Value,
    quota::Quota,
};

/// A deadline.
pub(super) const fn timeout(name: &'static str, default: &'static str) -> Key<Duration> {
    Key::milliseconds(name, default, 1, TIMEOUT_MS_MAX)
}

/// An amount a second of a quota; 0: it is not limited.
pub(super) const fn per_second<P: Place>(name: &'static str) -> Key<usize, P> {
    Key::integer(name, "0", 0, Quota::PER_SECOND_MAX as i128)
}

/// How much of a quota may come at once: what accrues in this time.
pub(super) const fn burst<P: Place>(name: &'static str) -> Key<Duration, P> {
    Key::milliseconds(name, "1_000", 1, Quota::BURST_MS_MAX as i128)
}

pub(super) fn some_text(value: &Value) -> Option<String> {
    let text = value.text().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

#[expect(
    clippy::option_option,
    reason = "an empty text is good, and stands for none"
)]
pub(super) fn text_or_none(value: &Value) -> Option<Option<String>> {
    let text = value.text()?;
    Some((!text.is_empty()).then(|| text.to_owned()))
}

/// Names and their texts.
pub(super) fn texts(value: &Value) -> Option<Vec<(String, String)>> {
    let entries = value.table()?.into_iter();
    let entries = entries.map(|(name, value)| Some((name, value.text()?.to_owned())));
    entries.collect()
}

/// Whether it is an extension of SASL/OAUTHBEARER (RFC 7628 section 3.1) that Kafka accepts.
pub(super) fn is_extension((name, value): &(String, String)) -> bool {
    let is_name = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphabetic());
    is_name && name != "auth" && value.bytes().all(|it| it == b' ' || it.is_ascii_graphic())
}

pub(super) fn some_list(value: &Value) -> Option<Vec<String>> {
    value.list().filter(|list| !list.is_empty())
}
