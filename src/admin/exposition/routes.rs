//! The metrics of routes.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::{Sources, UNROUTED, encode::counter_family};
use crate::{
    metrics::{Counter, RouteMetrics},
    outcome::Code,
    route::Route,
    snapshot::Snapshot,
};

impl Sources {
    /// Requests by route and code, without pairs that never occurred. Rejected and shed requests have a
    /// series for each code from the start, so that an alert notices the first one.
    pub(super) fn requests(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        snapshot: &Snapshot,
    ) -> fmt::Result {
        let mut by_pair = Vec::new();
        let mut rejected = Vec::new();
        let mut shed = Vec::new();
        for (code, label) in self.codes.iter().enumerate() {
            let routed = snapshot.routes.routes().iter().map(|route| {
                let count = total(snapshot, route, |row| row.requests.at(code));
                (route.path.as_str(), count)
            });
            let unrouted = self.total(|worker| worker.unrouted.at(code));
            for (route, count) in routed.chain([(UNROUTED, unrouted)]) {
                if count > 0 {
                    by_pair.push((route, label, label.status.to_string(), count));
                }
            }
            let of_code = self.total(|worker| worker.requests.at(code));
            match label.status {
                // The answer to a load balancer's question.
                503 if label.name == Code::Unhealthy.row().name => {}
                503 => shed.push(([("code", label.name)], of_code)),
                400..500 => rejected.push(([("code", label.name)], of_code)),
                _ => {}
            }
        }
        let help = "Responses by route, outcome code and HTTP status.";
        let series = by_pair.iter().map(|(route, label, status, count)| {
            let labels = [
                ("route", *route),
                ("code", label.name),
                ("status", status.as_str()),
            ];
            (labels, *count)
        });
        counter_family(encoder, "requests", help, series)?;
        let help = "Requests rejected as the client's error (4xx), by outcome code.";
        counter_family(encoder, "rejected", help, rejected)?;
        let help = "Requests answered 503 (over a limit, draining, or not acknowledged by the \
                    brokers in time), by outcome code.";
        counter_family(encoder, "shed", help, shed)
    }
}

/// The sum of a route's counter over all workers.
fn total(snapshot: &Snapshot, route: &Route, counter: impl Fn(&RouteMetrics) -> &Counter) -> u64 {
    let rows = snapshot.metrics.iter().map(|rows| &rows[route.index]);
    rows.map(|row| counter(row).value()).sum()
}

pub(super) fn records(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    type Family = (&'static str, &'static str, fn(&RouteMetrics) -> &Counter);
    const FAMILIES: [Family; 5] = [
        ("records", "Valid records received, by route.", |row| {
            &row.records_received
        }),
        (
            "records_delivered",
            "Records acknowledged by the brokers, by route.",
            |row| &row.records_delivered,
        ),
        (
            "records_rejected",
            "Invalid records received, by route; a body that is not valid JSON counts as one.",
            |row| &row.records_rejected,
        ),
        (
            "dead_letters",
            "Dead letters acknowledged by the brokers, by route.",
            |row| &row.dead_letters,
        ),
        (
            "dead_letters_omitted",
            "Invalid records without a dead letter of their own, by route: beyond the limits of size or \
             time, or not delivered.",
            |row| &row.dead_letters_omitted,
        ),
    ];
    for (name, help, counter) in FAMILIES {
        let series = snapshot.routes.routes().iter().map(|route| {
            let labels = [("route", route.path.as_str())];
            (labels, total(snapshot, route, counter))
        });
        counter_family(encoder, name, help, series)?;
    }
    Ok(())
}
