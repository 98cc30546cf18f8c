//! The tables: routes, refused requests by code, workers and brokers.

use strum::{IntoStaticStr, VariantArray};

use super::{
    figures::Figures,
    numbers::{NONE, bytes, count, float, or_none, per_second, percent, time},
    status::{Route, Status},
    table::{Column, Table},
};

/// What every path begins with, so that tables leave it out.
const PREFIX: &str = "/ingest/";

const ROUTES: [Column; 9] = [
    Column::text("ROUTE", 0),
    Column::text("TOPIC", 136),
    Column::number("REQ/S", 6, 0),
    Column::number("REC/S", 6, 56),
    Column::number("REF/S", 6, 0),
    Column::number("RECORDS", 7, 86),
    Column::number("INVALID", 7, 66),
    Column::number("P50", 7, 76),
    Column::number("P99", 7, 0),
];

const CODES: [Column; 4] = [
    Column::text("CODE", 0),
    Column::number("STATUS", 6, 0),
    Column::number("REF/S", 6, 0),
    Column::number("COUNT", 7, 0),
];

const WORKERS: [Column; 6] = [
    Column::text("WORKER", 0),
    Column::number("CONN", 6, 0),
    Column::number("IN FLIGHT", 9, 50),
    Column::number("CPU", 6, 0),
    Column::number("LAG P50", 7, 60),
    Column::number("LAG P99", 7, 0),
];

const BROKERS: [Column; 5] = [
    Column::text("BROKER", 0),
    Column::text("STATE", 0),
    Column::number("FAILED", 6, 60),
    Column::number("P50", 7, 50),
    Column::number("P99", 7, 0),
];

/// By what routes are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Sort {
    #[default]
    Requests,
    Refused,
    P99,
    Invalid,
    Name,
}

impl Sort {
    /// The next one, after the last the first.
    pub(super) fn next(self) -> Self {
        let mut all = Self::VARIANTS.iter().cycle().skip_while(|it| **it != self);
        all.nth(1).copied().unwrap_or_default()
    }
}

/// What is shown of a route.
#[derive(Debug)]
pub(super) struct RouteRow<'a> {
    pub(super) route: &'a Route,
    pub(super) requests: Option<f64>,
    pub(super) records: Option<f64>,
    pub(super) refused: Option<f64>,
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl<'a> RouteRow<'a> {
    fn new(figures: &'a Figures, latest: &'a Status, index: usize) -> Self {
        let route = &latest.routes[index];
        let rate = |of: fn(&Route) -> u64| figures.rate(|it| it.route(index, &route.path).map(of));
        let quantile = |q| {
            let bounds = &latest.route_bucket_bounds_ms;
            figures.quantile(q, bounds, |it| {
                let its = it.route(index, &route.path);
                its.map(|it| &it.latency)
            })
        };
        Self {
            route,
            requests: rate(|it| it.requests),
            records: rate(|it| it.records),
            refused: rate(Route::refused),
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }

    fn key(&self, sort: Sort) -> f64 {
        let figure = match sort {
            Sort::Requests => self.requests,
            Sort::Refused => self.refused,
            Sort::P99 => self.p99,
            Sort::Invalid => Some(float(self.route.records_rejected)),
            Sort::Name => None,
        };
        figure.unwrap_or(-1.0)
    }

    fn cells(&self, prefix: &str) -> Vec<String> {
        let route = self.route;
        let path = route.path.strip_prefix(prefix).unwrap_or(&route.path);
        vec![
            path.to_owned(),
            route.topic.to_string(),
            or_none(self.requests, per_second),
            or_none(self.records, per_second),
            or_none(self.refused, per_second),
            count(float(route.records)),
            count(float(route.records_rejected)),
            or_none(self.p50, time),
            or_none(self.p99, time),
        ]
    }
}

/// All routes that have `filter` in their path or topic, in any case, the largest first; equal ones, and by name, by
/// their path.
pub(super) fn routes<'a>(
    figures: &'a Figures,
    filter: &str,
    sort: Sort,
    is_reversed: bool,
) -> Vec<RouteRow<'a>> {
    let Some(latest) = figures.latest() else {
        return Vec::new();
    };
    let filter = filter.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&filter);
    let rows = latest.routes.iter().enumerate();
    let rows = rows.filter(|(_, it)| has(&it.path) || has(&it.topic));
    let mut rows: Vec<_> = rows
        .map(|(index, _)| RouteRow::new(figures, latest, index))
        .collect();
    rows.sort_by(|a, b| {
        let by_size = b.key(sort).total_cmp(&a.key(sort));
        by_size.then_with(|| a.route.path.cmp(&b.route.path))
    });
    if is_reversed {
        rows.reverse();
    }
    rows
}

/// A table of routes. `is_short`: without what all paths begin with.
pub(super) fn route_table(rows: &[RouteRow<'_>], is_short: bool) -> Table {
    let prefix = if is_short { PREFIX } else { "" };
    Table {
        columns: &ROUTES,
        rows: rows.iter().map(|it| it.cells(prefix)).collect(),
    }
}

/// Refused requests, the most frequent code first.
pub(super) fn codes(figures: &Figures) -> Table {
    let refused = figures.latest().map_or(&[][..], |it| &it.refused);
    let mut ranked: Vec<_> = refused.iter().collect();
    ranked.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
    let rows = ranked.iter().map(|refused| {
        let count_of = |status: &Status| {
            let its = status.refused.iter().find(|it| it.code == refused.code);
            Some(its.map_or(0, |it| it.count))
        };
        vec![
            refused.code.to_string(),
            refused.status.to_string(),
            or_none(figures.rate(count_of), per_second),
            count(float(refused.count)),
        ]
    });
    Table {
        columns: &CODES,
        rows: rows.collect(),
    }
}

/// The state of what is not known any more: the server does not answer.
const UNKNOWN: &str = "not known";

/// Workers, in their order. `is_stale`: the figures are those of before.
pub(super) fn workers(figures: &Figures, is_stale: bool) -> Table {
    let rows = figures.latest().map(|latest| {
        let workers = latest.workers.iter().enumerate();
        let rows = workers.map(|(index, worker)| {
            let lag = |q| {
                figures.quantile(q, &latest.bucket_bounds_ms, |it| {
                    it.workers.get(index).map(|it| &it.lag)
                })
            };
            let cpu = figures.rate_of(|it| it.workers.get(index)?.cpu_seconds);
            vec![
                format!(
                    "{} {}",
                    worker.index,
                    if is_stale { UNKNOWN } else { &worker.state }
                ),
                count(float(worker.connections_open)),
                bytes(float(worker.in_flight_bytes)),
                or_none(cpu, percent),
                or_none(lag(0.5), time),
                or_none(lag(0.99), time),
            ]
        });
        rows.collect()
    });
    Table {
        columns: &WORKERS,
        rows: rows.unwrap_or_default(),
    }
}

/// Brokers, in their order. `is_stale`: the figures are those of before.
pub(super) fn brokers(figures: &Figures, is_stale: bool) -> Table {
    let rows = figures.latest().map(|latest| {
        let rows = latest.brokers.iter().map(|broker| {
            let round_trip = |q| {
                figures.quantile(q, &latest.bucket_bounds_ms, |status| {
                    let its = status.brokers.iter().find(|it| it.id == broker.id);
                    its.map(|it| &it.round_trip)
                })
            };
            let address = broker.address.as_ref();
            let state = match broker.up {
                _ if is_stale => UNKNOWN,
                Some(true) => "answers in time",
                Some(false) => "late or not connected",
                None => "not used yet",
            };
            vec![
                address.map_or_else(|| broker.id.to_string(), ToString::to_string),
                state.to_owned(),
                count(float(broker.batches_failed)),
                or_none(round_trip(0.5), time),
                or_none(round_trip(0.99), time),
            ]
        });
        rows.collect()
    });
    Table {
        columns: &BROKERS,
        rows: rows.unwrap_or_default(),
    }
}

/// Whether the server is ready, and if not, why.
pub(super) fn readiness(status: &Status) -> String {
    let state = match (status.ready, &status.degraded) {
        (true, None) => "ready".to_owned(),
        (true, Some(degraded)) => format!("ready ({degraded})"),
        (false, _) => {
            let detail = status.detail.as_deref().unwrap_or(NONE);
            format!("not ready: {detail}")
        }
    };
    if status.configuration.last_reload_successful {
        state
    } else {
        format!("{state}; the last reload failed")
    }
}
