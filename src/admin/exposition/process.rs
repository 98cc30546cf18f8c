//! Metrics of the process, named as Prometheus's own client libraries name them.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::super::process::Process;

/// Reads them at every scrape. What the kernel does not say has no series.
#[derive(Debug)]
pub(super) struct OfProcess;

impl Collector for OfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let process = Process::read();
        if let Some(cpu) = process.cpu {
            let help = "CPU time of all threads, user and system.";
            let unit = Some(&Unit::Seconds);
            let metric = encoder.encode_descriptor("cpu", help, unit, MetricType::Counter)?;
            ConstCounter::new(cpu.as_secs_f64()).encode(metric)?;
        }
        if let Some(started) = process.started {
            let help = "Time of the start, since 1970.";
            let unit = Some(&Unit::Seconds);
            let metric = encoder.encode_descriptor("start_time", help, unit, MetricType::Gauge)?;
            ConstGauge::new(started).encode(metric)?;
        }
        let bytes = Some(&Unit::Bytes);
        for (name, unit, help, value) in [
            (
                "resident_memory",
                bytes,
                "Memory in RAM.",
                process.resident_bytes,
            ),
            (
                "virtual_memory",
                bytes,
                "Size of the address space.",
                process.virtual_bytes,
            ),
            (
                "open_fds",
                None,
                "Open file descriptors.",
                process.files_open,
            ),
            (
                "max_fds",
                None,
                "Limit on open file descriptors.",
                process.files_max,
            ),
            ("threads", None, "Threads.", process.threads),
        ] {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}
