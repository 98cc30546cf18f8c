//! The brokers, as the workers' batches find them.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::{
    super::brokers::{Broker, brokers},
    Sources,
    encode::{counter_family, histogram, sum},
};
use crate::metrics::{BUCKET_BOUNDS_NANOS, KafkaError};

impl Sources {
    pub(super) fn kafka(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let series = KafkaError::ALL.iter().map(|error| {
            let count = self.total(|worker| &worker.kafka_errors[*error as usize]);
            ([("error", error.as_str())], count)
        });
        let help = "Errors that librdkafka has reported of the producers' connections, by kind; those of records \
                    are answers.";
        counter_family(encoder, "kafka_errors", help, series)?;
        let brokers = brokers(&self.workers, self.watch.as_deref());
        let (used, unused): (Vec<_>, Vec<_>) = (brokers.iter())
            .map(|(id, broker)| (id.to_string(), broker))
            .partition(|(_, broker)| !broker.of_workers.is_empty());
        let mut family = encoder.encode_descriptor(
            "broker",
            "Address of each broker of the cluster, by node.id.",
            None,
            MetricType::Info,
        )?;
        for (id, broker) in used.iter().chain(&unused) {
            if let Some(address) = &broker.address {
                let labels = [("broker", id.as_str()), ("address", &**address)];
                family.encode_info(&labels)?;
            }
        }
        if used.is_empty() {
            return Ok(());
        }
        round_trips(encoder, &used)?;
        states(encoder, &used)
    }
}

fn round_trips(encoder: &mut DescriptorEncoder<'_>, brokers: &[(String, &Broker)]) -> fmt::Result {
    let help = "Time from handing a batch to librdkafka to the broker's answer, by broker: replication included.";
    let unit = Some(&Unit::Seconds);
    let mut family =
        encoder.encode_descriptor("broker_round_trip", help, unit, MetricType::Histogram)?;
    for (id, broker) in brokers {
        let (counts, micros) = sum(broker.of_workers.iter().map(|it| it.round_trip.read()));
        let labels = [("broker", id.as_str())];
        let series = family.encode_family(&labels)?;
        histogram(series, &BUCKET_BOUNDS_NANOS, &counts, micros)?;
    }
    let help =
        "Batches that a broker has not answered in time, or whose connection was lost, by broker.";
    let mut family =
        encoder.encode_descriptor("broker_batches_failed", help, None, MetricType::Counter)?;
    for (id, broker) in brokers {
        let count: u64 = (broker.of_workers.iter())
            .map(|it| it.batches_failed.value())
            .sum();
        ConstCounter::new(count).encode(family.encode_family(&[("broker", id.as_str())])?)?;
    }
    Ok(())
}

fn states(encoder: &mut DescriptorEncoder<'_>, brokers: &[(String, &Broker)]) -> fmt::Result {
    let help = "Batches on their way to a broker, by broker.";
    let mut family =
        encoder.encode_descriptor("broker_batches_in_flight", help, None, MetricType::Gauge)?;
    for (id, broker) in brokers {
        let count: u64 = (broker.of_workers.iter())
            .map(|it| it.batches_out.value())
            .sum();
        ConstGauge::new(count).encode(family.encode_family(&[("broker", id.as_str())])?)?;
    }
    let states: Vec<_> = (brokers.iter())
        .filter_map(|(id, broker)| Some((id, broker.state()?)))
        .collect();
    let help = "1 while a broker answers batches in time, 0 while it is late for a worker or a worker has no broker, by broker.";
    let mut family = encoder.encode_descriptor("broker_up", help, None, MetricType::Gauge)?;
    for (id, (is_up, _)) in &states {
        let labels = [("broker", id.as_str())];
        let series = family.encode_family(&labels)?;
        ConstGauge::new(u64::from(*is_up)).encode(series)?;
    }
    let help = "Time since when broker_up has its value, since 1970, by broker.";
    let unit = Some(&Unit::Seconds);
    let mut family =
        encoder.encode_descriptor("broker_state_timestamp", help, unit, MetricType::Gauge)?;
    for (id, (_, since_ms)) in &states {
        let labels = [("broker", id.as_str())];
        let series = family.encode_family(&labels)?;
        ConstGauge::new(super::seconds(*since_ms)).encode(series)?;
    }
    Ok(())
}
