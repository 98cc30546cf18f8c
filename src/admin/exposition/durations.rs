//! How long requests took.

use std::fmt;

use prometheus_client::{encoding::DescriptorEncoder, metrics::MetricType, registry::Unit};

use super::{
    Sources,
    encode::{histogram, sum},
};
use crate::{
    metrics::{BUCKET_BOUNDS_NANOS, COARSE_BOUNDS_NANOS, Class},
    snapshot::Snapshot,
};

impl Sources {
    pub(super) fn durations(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        snapshot: &Snapshot,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let help = "Time from enqueueing a request's records to their last delivery report.";
        let delivery =
            encoder.encode_descriptor("delivery_latency", help, unit, MetricType::Histogram)?;
        let (counts, micros) = sum(self.workers.iter().map(|it| it.delivery_latency.read()));
        histogram(delivery, &BUCKET_BOUNDS_NANOS, &counts, micros)?;

        let help = "Time from the first byte of a request to its answer, by how it ended: accepted (2xx), \
                    rejected (4xx), failed (5xx). Without /health.";
        let mut family =
            encoder.encode_descriptor("request_duration", help, unit, MetricType::Histogram)?;
        for class in Class::ALL {
            let workers = self.workers.iter();
            let durations = workers.map(|it| it.request_duration[*class as usize].read());
            let (counts, micros) = sum(durations);
            let labels = [("result", class.as_str())];
            let series = family.encode_family(&labels)?;
            histogram(series, &BUCKET_BOUNDS_NANOS, &counts, micros)?;
        }

        let help = "Time from the first byte of an accepted request to its answer, by route; no series before \
                    the first.";
        let routes = snapshot.routes.routes().iter().map(|route| {
            let workers = snapshot.metrics.iter();
            let durations = workers.map(|rows| rows[route.index].duration.read());
            (route, sum(durations))
        });
        let mut routes = routes
            .filter(|(_, (counts, _))| counts.iter().any(|it| *it > 0))
            .peekable();
        if routes.peek().is_none() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "route_request_duration",
            help,
            unit,
            MetricType::Histogram,
        )?;
        for (route, (counts, micros)) in routes {
            let labels = [("route", route.path.as_str())];
            let series = family.encode_family(&labels)?;
            histogram(series, &COARSE_BOUNDS_NANOS, &counts, micros)?;
        }
        Ok(())
    }
}
