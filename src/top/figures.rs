//! What happened between two answers of `/status`: rates, quantiles and their last minutes.

use std::{collections::VecDeque, time::Duration};

use super::{
    numbers::float,
    status::{Histogram, Status},
};

/// Seconds of a rate or a quantile in a table; the page has the same.
const TABLE_SECONDS: u64 = 10;
/// Seconds of a rate or a quantile above the tables.
const SUMMARY_SECONDS: u64 = 3;
/// Points that are kept of a history.
const POINTS_MAX: usize = 600;

/// A figure with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Series {
    Requests,
    Records,
    Bytes,
    Refused,
    P50,
    P99,
}

impl Series {
    pub(super) const ALL: [Self; 6] = [
        Self::Requests,
        Self::Records,
        Self::Bytes,
        Self::Refused,
        Self::P50,
        Self::P99,
    ];
}

/// The last answers of a server.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Those of the last [`TABLE_SECONDS`], the latest last.
    seen: VecDeque<Status>,
    /// One for each answer, of each series; `None`: nothing to compute it from.
    history: [VecDeque<Option<f64>>; Series::ALL.len()],
}

impl Figures {
    pub(super) fn latest(&self) -> Option<&Status> {
        self.seen.back()
    }

    /// Takes the latest answer.
    pub(super) fn push(&mut self, status: Status) {
        let is_next = self.latest().is_some_and(|before| {
            before.process.started_seconds == status.process.started_seconds
                && before.time_ms < status.time_ms
        });
        if !is_next {
            // Another process, or its clock was set back: nothing to compare with.
            self.seen.clear();
        }
        // One more than is needed, which is the one before the window.
        let begin = status.time_ms.saturating_sub((TABLE_SECONDS + 1) * 1_000);
        while self.seen.len() > 1 && self.seen[1].time_ms < begin {
            self.seen.pop_front();
        }
        self.seen.push_back(status);
        for series in Series::ALL {
            let point = self.over(0, series);
            let history = &mut self.history[series as usize];
            if history.len() == POINTS_MAX {
                history.pop_front();
            }
            history.push_back(point);
        }
    }

    /// The last points of a series, the latest last.
    pub(super) fn history(&self, series: Series) -> &VecDeque<Option<f64>> {
        &self.history[series as usize]
    }

    /// A series over the last seconds; quantiles in milliseconds.
    pub(super) fn now(&self, series: Series) -> Option<f64> {
        self.over(SUMMARY_SECONDS, series)
    }

    /// How much a counter has grown a second; `of` finds it. One that is new has grown from 0.
    pub(super) fn rate(&self, of: impl Fn(&Status) -> Option<u64>) -> Option<f64> {
        self.rate_over(TABLE_SECONDS, |status| of(status).map(float))
    }

    /// The same of a counter with a fraction.
    pub(super) fn rate_of(&self, of: impl Fn(&Status) -> Option<f64>) -> Option<f64> {
        self.rate_over(TABLE_SECONDS, of)
    }

    /// A quantile in milliseconds of what a histogram has observed.
    pub(super) fn quantile<'a>(
        &'a self,
        q: f64,
        bounds: &[f64],
        of: impl Fn(&'a Status) -> Option<&'a Histogram>,
    ) -> Option<f64> {
        self.quantile_over(TABLE_SECONDS, q, bounds, |status| {
            of(status).into_iter().collect()
        })
    }

    /// For how long the server has run.
    pub(super) fn uptime(&self) -> Option<Duration> {
        let latest = self.latest()?;
        let started = Duration::try_from_secs_f64(latest.process.started_seconds?).ok()?;
        Some(Duration::from_millis(latest.time_ms).saturating_sub(started))
    }

    fn over(&self, seconds: u64, series: Series) -> Option<f64> {
        let refused = |it: &Status| it.totals.rejected + it.totals.failed;
        let rate = |of: &dyn Fn(&Status) -> u64| self.rate_over(seconds, |it| Some(float(of(it))));
        let quantile = |q| {
            let bounds = &self.latest()?.bucket_bounds_ms;
            self.quantile_over(seconds, q, bounds, |it| {
                let latency = &it.latency;
                vec![&latency.accepted, &latency.rejected, &latency.failed]
            })
        };
        match series {
            Series::Requests => rate(&|it| it.totals.accepted + refused(it)),
            Series::Records => rate(&|it| it.totals.records_delivered),
            Series::Bytes => rate(&|it| it.totals.body_bytes),
            Series::Refused => rate(&refused),
            Series::P50 => quantile(0.5),
            Series::P99 => quantile(0.99),
        }
    }

    fn rate_over(&self, seconds: u64, of: impl Fn(&Status) -> Option<f64>) -> Option<f64> {
        let (from, to) = self.window(seconds)?;
        let now = of(to)?;
        let then = of(from).filter(|then| *then <= now).unwrap_or(0.0);
        let elapsed = Duration::from_millis(to.time_ms - from.time_ms);
        Some((now - then) / elapsed.as_secs_f64())
    }

    fn quantile_over<'a>(
        &'a self,
        seconds: u64,
        q: f64,
        bounds: &[f64],
        of: impl Fn(&'a Status) -> Vec<&'a Histogram>,
    ) -> Option<f64> {
        let (from, to) = self.window(seconds)?;
        let observed = |bucket: usize, status| -> u64 {
            let counts = of(status)
                .into_iter()
                .filter_map(|it| it.buckets.get(bucket));
            counts.sum()
        };
        let counts = (0..=bounds.len())
            .map(|it| observed(it, to).saturating_sub(observed(it, from)))
            .collect::<Vec<_>>();
        interpolated(q, bounds, &counts)
    }

    /// The latest answer, and the one that is about so many seconds older, or as much as there is; of 0 seconds the
    /// one before.
    fn window(&self, seconds: u64) -> Option<(&Status, &Status)> {
        let (to, earlier) = (self.seen.back()?, self.seen.len().checked_sub(2)?);
        let is_older = |it: &&Status| to.time_ms - it.time_ms + 500 >= seconds * 1_000;
        let from = self.seen.range(..=earlier).rev().find(is_older);
        Some((from.unwrap_or(&self.seen[0]), to))
    }
}

/// Where in its bucket a quantile lies, if those in it are spread evenly.
fn interpolated(q: f64, bounds: &[f64], counts: &[u64]) -> Option<f64> {
    let count: u64 = counts.iter().sum();
    if count == 0 {
        return None;
    }
    let rank = q * float(count);
    let mut below = 0.0;
    for (index, inside) in counts.iter().map(|it| float(*it)).enumerate() {
        if below + inside >= rank && inside > 0.0 {
            let lower = index.checked_sub(1).map_or(0.0, |it| bounds[it]);
            let upper = bounds.get(index).copied().unwrap_or(lower);
            return Some(lower + (upper - lower) * (rank - below) / inside);
        }
        below += inside;
    }
    None
}
