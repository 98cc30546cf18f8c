//! How each worker fares.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::{
    super::process::{thread_cpu_time, thread_wait_time},
    Sources,
    encode::histogram,
};
use crate::metrics::{BUCKET_BOUNDS_NANOS, Gauge, WorkerMetrics};

impl Sources {
    pub(super) fn workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.worker_ticks(encoder)?;
        self.worker_times(encoder)?;
        self.worker_gauges(encoder)?;
        let help = "I/O driver of each worker: io_uring or epoll; the value is always 1.";
        let mut family = encoder.encode_descriptor("driver", help, None, MetricType::Gauge)?;
        for (index, worker) in self.indexed_workers() {
            if let Some(driver) = worker.driver() {
                let labels = [("driver", driver.as_str()), ("worker", index.as_str())];
                ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn indexed_workers(&self) -> impl Iterator<Item = (String, &Arc<WorkerMetrics>)> {
        let workers = self.workers.iter().enumerate();
        workers.map(|(index, worker)| (index.to_string(), worker))
    }

    fn worker_ticks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How late each tick of a worker was, by worker: other work delayed it.";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("worker_loop_lag", help, unit, MetricType::Histogram)?;
        for (index, worker) in self.indexed_workers() {
            let (counts, micros) = worker.loop_lag.read();
            histogram(
                family.encode_family(&[("worker", index.as_str())])?,
                &BUCKET_BOUNDS_NANOS,
                &counts,
                micros,
            )?;
        }
        let help = "Time since the last tick of each worker, which ticks every 20 ms; of one that is \
                    starting, since that began.";
        let mut family =
            encoder.encode_descriptor("worker_tick_age", help, unit, MetricType::Gauge)?;
        for ((index, _), age) in self.indexed_workers().zip(self.readiness.heartbeat_ages()) {
            let labels = [("worker", index.as_str())];
            ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn worker_times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Family = (&'static str, &'static str, fn(i32) -> Option<Duration>);
        const FAMILIES: [Family; 2] = [
            (
                "worker_cpu",
                "CPU time of each worker's thread; its rate is the share of a core that it is busy.",
                thread_cpu_time,
            ),
            (
                "worker_cpu_wait",
                "Time for which each worker's thread had work and waited for a CPU.",
                thread_wait_time,
            ),
        ];
        for (name, help, time) in FAMILIES {
            let unit = Some(&Unit::Seconds);
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            for (index, worker) in self.indexed_workers() {
                if let Some(time) = worker.thread().and_then(time) {
                    let labels = [("worker", index.as_str())];
                    let series = family.encode_family(&labels)?;
                    ConstCounter::new(time.as_secs_f64()).encode(series)?;
                }
            }
        }
        Ok(())
    }

    fn worker_gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Family = (
            &'static str,
            Option<&'static Unit>,
            &'static str,
            fn(&WorkerMetrics) -> &Gauge,
        );
        const FAMILIES: [Family; 2] = [
            (
                "worker_connections_open",
                None,
                "Open client connections, by worker.",
                |it| &it.connections_open,
            ),
            (
                "worker_in_flight",
                Some(&Unit::Bytes),
                "Bytes of request bodies being read and of records not yet acknowledged, by worker.",
                |it| &it.in_flight_bytes,
            ),
        ];
        for (name, unit, help, gauge) in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for (index, worker) in self.indexed_workers() {
                let labels = [("worker", index.as_str())];
                let value = gauge(worker).value();
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
