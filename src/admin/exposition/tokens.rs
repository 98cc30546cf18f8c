//! The metrics of the tokens for the brokers.

use std::{fmt, time::SystemTime};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use super::counter_family;
use crate::metrics::{TokenFetchResult, Tokens};

pub(super) fn tokens(encoder: &mut DescriptorEncoder<'_>, tokens: &Tokens) -> fmt::Result {
    let series = TokenFetchResult::ALL
        .iter()
        .map(|result| ([("result", result.as_str())], tokens.count_of(*result)));
    let help = "Attempts to get a token for the brokers (kafka.oauth), by result.";
    counter_family(encoder, "kafka_token_fetches", help, series)?;
    let Some(latest) = tokens.latest() else {
        return Ok(());
    };
    let ends = latest
        .ends
        .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let gauges = [
        (
            "kafka_token_age",
            "Time since the token in use was received; no series without a token.",
            Some(latest.since.elapsed()),
        ),
        (
            "kafka_token_expiry_timestamp",
            "When the token in use ends, in Unix time; no series where that is not known.",
            ends,
        ),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            let unit = Some(&Unit::Seconds);
            let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(value.as_secs_f64()).encode(metric)?;
        }
    }
    Ok(())
}
