//! The state of the process as one JSON document, for pages and programs that show it: counters, to be compared with
//! those of a moment ago, and what is so now.

use std::{iter, time::Duration};

use serde_json::{Value, json};

use super::{
    AdminState,
    brokers::{Broker, brokers},
    exposition::{Sources, sum},
    process::{Process, thread_cpu_time, thread_wait_time},
};
use crate::{
    metrics::{
        BUCKET_BOUNDS_NANOS, COARSE_BOUNDS_NANOS, Class, Driver, WorkerMetrics, unix_millis,
    },
    readiness::{NotReady, WorkerState},
    route::Route,
    snapshot::Snapshot,
};

/// The document, with a trailing line end.
pub(super) fn status_json(state: &AdminState) -> String {
    let (sources, snapshot) = (state.exposition.sources(), state.published.latest());
    let reason = state.readiness.reason();
    let (last_succeeded, configured_ms) = sources.process.last_reload();
    let routes = snapshot.routes.routes().iter();
    let workers = sources.workers.iter().enumerate();
    let brokers = brokers(&sources.workers, sources.watch.as_deref());
    let document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time_ms": unix_millis(),
        "ready": reason.is_none(),
        "reason": reason.map(NotReady::code),
        "detail": reason.map(NotReady::detail),
        "degraded": state.connections.are_full().then_some("connections_full"),
        "configuration": {
            "generation": snapshot.generation,
            "last_reload_successful": last_succeeded,
            "configured_ms": configured_ms,
        },
        "process": process(),
        "totals": totals(sources, &snapshot),
        "refused": refused(sources),
        "in_flight": {
            "requests": sources.level(|it| &it.in_flight_requests),
            "records": sources.level(|it| &it.in_flight_records),
            "bytes": sources.level(|it| &it.in_flight_bytes),
            "bytes_max": sources.in_flight_bytes_max,
        },
        "connections": {
            "open": sources.level(|it| &it.connections_open),
            "max": sources.connections_max,
        },
        "bucket_bounds_ms": bounds_ms(&BUCKET_BOUNDS_NANOS),
        "route_bucket_bounds_ms": bounds_ms(&COARSE_BOUNDS_NANOS),
        "latency": latency(sources),
        "workers": workers
            .zip(state.readiness.heartbeat_ages())
            .map(|((index, worker), age)| {
                let its = state.readiness.heartbeat(index).state();
                of_worker(index, worker, its, age)
            })
            .collect::<Vec<_>>(),
        "brokers": brokers.iter().map(|(id, it)| of_broker(*id, it)).collect::<Vec<_>>(),
        "routes": routes.map(|it| of_route(it, &snapshot)).collect::<Vec<_>>(),
    });
    format!("{document}\n")
}

fn process() -> Value {
    let process = Process::read();
    json!({
        "started_seconds": process.started,
        "cpu_seconds": process.cpu.map(|it| it.as_secs_f64()),
        "resident_bytes": process.resident_bytes,
        "threads": process.threads,
        "files_open": process.files_open,
        "files_max": process.files_max,
    })
}

/// Everything since the start, of removed routes too where no route is named.
fn totals(sources: &Sources, snapshot: &Snapshot) -> Value {
    let of_class = |class: Class| -> u64 {
        let codes = sources.codes.iter().enumerate();
        codes
            .filter(|(_, label)| Class::of_status(label.status) == Some(class))
            .map(|(code, _)| sources.total(|it| it.requests.at(code)))
            .sum()
    };
    let rows = || snapshot.metrics.iter().flatten();
    json!({
        "accepted": of_class(Class::Accepted),
        "rejected": of_class(Class::Rejected),
        "failed": of_class(Class::Failed),
        "records": rows().map(|it| it.records_received.value()).sum::<u64>(),
        "records_delivered": rows().map(|it| it.records_delivered.value()).sum::<u64>(),
        "records_rejected": rows().map(|it| it.records_rejected.value()).sum::<u64>(),
        "body_bytes": sources.total(|it| &it.body_bytes_received),
        "connections": sources.total(|it| &it.connections_accepted),
    })
}

/// Answers by code, of codes that occurred.
fn refused(sources: &Sources) -> Vec<Value> {
    let codes = sources.codes.iter().enumerate();
    let codes = codes.filter(|(_, label)| label.status >= 400);
    let counted = codes.filter_map(|(code, label)| {
        let count = sources.total(|it| it.requests.at(code));
        let (name, status) = (label.name, label.status);
        (count > 0).then(|| json!({ "code": name, "status": status, "count": count }))
    });
    counted.collect()
}

fn latency(sources: &Sources) -> Value {
    let of = |class: Class| {
        let workers = sources.workers.iter();
        let durations = workers.map(|it| it.request_duration[class as usize].read());
        histogram(&BUCKET_BOUNDS_NANOS, sum(durations))
    };
    json!({
        "accepted": of(Class::Accepted),
        "rejected": of(Class::Rejected),
        "failed": of(Class::Failed),
    })
}

fn of_worker(index: usize, worker: &WorkerMetrics, state: WorkerState, age: Duration) -> Value {
    let time = |of: fn(i32) -> Option<Duration>| {
        let time = worker.thread().and_then(of);
        time.map(|it| it.as_secs_f64())
    };
    json!({
        "worker": index,
        "state": state.as_str(),
        "driver": worker.driver().map(Driver::as_str),
        "tick_age_ms": u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        "cpu_seconds": time(thread_cpu_time),
        "cpu_wait_seconds": time(thread_wait_time),
        "connections_open": worker.connections_open.value(),
        "in_flight_bytes": worker.in_flight_bytes.value(),
        "lag": histogram(&BUCKET_BOUNDS_NANOS, worker.loop_lag.read()),
    })
}

fn of_broker(id: i32, broker: &Broker) -> Value {
    let state = broker.state();
    let of_workers = || broker.of_workers.iter();
    let round_trips = of_workers().map(|it| it.round_trip.read());
    json!({
        "broker": id,
        "address": broker.address.as_deref(),
        "up": state.map(|(is_up, _)| is_up),
        "since_ms": state.map(|(_, since_ms)| since_ms),
        "batches_in_flight": of_workers().map(|it| it.batches_out.value()).sum::<u64>(),
        "batches_failed": of_workers().map(|it| it.batches_failed.value()).sum::<u64>(),
        "round_trip": histogram(&BUCKET_BOUNDS_NANOS, sum(round_trips)),
    })
}

fn of_route(route: &Route, snapshot: &Snapshot) -> Value {
    let rows = || snapshot.metrics.iter().map(|rows| &rows[route.index]);
    let durations = rows().map(|it| it.duration.read());
    json!({
        "path": route.path,
        "model": route.model.name,
        "version": route.model.version.as_str(),
        "topic": route.model.topic,
        "requests": rows().map(|it| it.requests.total()).sum::<u64>(),
        "records": rows().map(|it| it.records_received.value()).sum::<u64>(),
        "records_delivered": rows().map(|it| it.records_delivered.value()).sum::<u64>(),
        "records_rejected": rows().map(|it| it.records_rejected.value()).sum::<u64>(),
        "latency": histogram(&COARSE_BOUNDS_NANOS, sum(durations)),
    })
}

fn bounds_ms(bounds_nanos: &[u64]) -> Vec<f64> {
    let bounds = bounds_nanos.iter().copied().map(Duration::from_nanos);
    bounds.map(milliseconds).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A histogram with two quantiles of all that it has.
fn histogram<const N: usize>(bounds_nanos: &[u64], (counts, micros): ([u64; N], u64)) -> Value {
    json!({
        "count": counts.iter().sum::<u64>(),
        "sum_ms": milliseconds(Duration::from_micros(micros)),
        "p50_ms": quantile_ms(bounds_nanos, &counts, 50),
        "p99_ms": quantile_ms(bounds_nanos, &counts, 99),
        "buckets": counts.as_slice(),
    })
}

/// The bound of the bucket that a quantile is in; `None` without observations, and in the last bucket.
fn quantile_ms(bounds_nanos: &[u64], counts: &[u64], percent: u64) -> Option<f64> {
    let rank = (counts.iter().sum::<u64>() * percent).div_ceil(100).max(1);
    let mut cumulative = 0;
    let (bound, _) = iter::zip(bounds_nanos, counts).find(|(_, count)| {
        cumulative += **count;
        cumulative >= rank
    })?;
    Some(milliseconds(Duration::from_nanos(*bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let bounds = [1_000_000, 2_000_000, 5_000_000];
        for (counts, percent, expected) in [
            ([0, 0, 0, 0], 50, None),
            ([1, 0, 0, 0], 50, Some(1.0)),
            ([1, 0, 0, 0], 99, Some(1.0)),
            ([50, 50, 0, 0], 50, Some(1.0)),
            ([49, 51, 0, 0], 50, Some(2.0)),
            ([0, 99, 1, 0], 99, Some(2.0)),
            ([0, 98, 2, 0], 99, Some(5.0)),
            ([0, 0, 1, 99], 99, None),
        ] {
            assert_eq!(
                quantile_ms(&bounds, &counts, percent),
                expected,
                "{counts:?} {percent}"
            );
        }
    }
}
