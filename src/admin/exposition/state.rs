//! Whether it is ready, what it is configured with, and what expires.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use super::{
    Sources,
    encode::{counter_family, encode_gauges},
    seconds,
};
use crate::{readiness::NotReady, snapshot::Snapshot};

impl Sources {
    pub(super) fn state(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        snapshot: &Snapshot,
    ) -> fmt::Result {
        self.readiness(encoder)?;
        self.reloads(encoder, snapshot.generation)?;
        expiry(encoder, snapshot)
    }

    fn readiness(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let reason = self.readiness.reason();
        let gauges = [
            (
                "ready",
                None,
                "1 if ringest can accept records, else 0; not_ready and /ready have the reason.",
                u64::from(reason.is_none()),
            ),
            (
                "draining",
                None,
                "1 once a shutdown has begun, else 0.",
                u64::from(self.readiness.is_draining()),
            ),
        ];
        encode_gauges(encoder, gauges)?;
        let help = "Why ringest can't accept records: 1 for the reason, 0 for the others.";
        let mut family = encoder.encode_descriptor("not_ready", help, None, MetricType::Gauge)?;
        for other in NotReady::ALL {
            let labels = [("reason", other.code())];
            let series = family.encode_family(&labels)?;
            ConstGauge::new(u64::from(reason == Some(other))).encode(series)?;
        }
        Ok(())
    }

    fn reloads(&self, encoder: &mut DescriptorEncoder<'_>, generation: u64) -> fmt::Result {
        let (succeeded, failed) = self.process.reloads();
        let help = "Configuration reloads by result; on \"error\" the previous configuration stays \
                    active.";
        let series = [
            ([("result", "ok")], succeeded),
            ([("result", "error")], failed),
        ];
        counter_family(encoder, "config_reloads", help, series)?;
        let (last_succeeded, configured_ms) = self.process.last_reload();
        let gauges = [
            (
                "config_generation",
                None,
                "Generation of the active configuration; incremented by each reload and key change.",
                generation,
            ),
            (
                "config_last_reload_successful",
                None,
                "1 if the last reload succeeded, or none was tried, else 0.",
                u64::from(last_succeeded),
            ),
        ];
        encode_gauges(encoder, gauges)?;
        let metric = encoder.encode_descriptor(
            "config_last_reload_success_timestamp",
            "Time of the last reload that succeeded, else of the start, since 1970.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(seconds(configured_ms)).encode(metric)
    }
}

/// When certificates and API keys expire.
fn expiry(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let certificates = snapshot.tls.iter().flat_map(|it| it.expiry_ms());
    let keys = snapshot.keys.iter().flat_map(|it| it.expiry_ms());
    let certificates = (
        "tls_certificate_expiry_timestamp",
        "name",
        "Time at which a certificate of the public listener or one of its chain expires, since 1970, by the \
         certificate's first name.",
        certificates.collect::<Vec<_>>(),
    );
    let keys = (
        "api_key_expiry_timestamp",
        "key",
        "Time at which an API key expires, since 1970, by name; without keys that do not.",
        keys.collect::<Vec<_>>(),
    );
    for (name, label, help, series) in [certificates, keys] {
        let unit = Some(&Unit::Seconds);
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (value, expiry_ms) in series {
            let labels = [(label, value)];
            let series = family.encode_family(&labels)?;
            ConstGauge::new(seconds(expiry_ms)).encode(series)?;
        }
    }
    Ok(())
}
