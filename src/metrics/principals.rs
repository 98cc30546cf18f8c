//! Metrics of principals: of a bounded number of them by name, those that send most, and of the rest as one.
//!
//! Tokens make any number of principals. One without a row gets one that is free, or takes the place of another:
//! with a probability that falls with how much that one sends, so that those that send much get a row soon, and
//! those that send little rarely (random admission, Ben Basat et al., INFOCOM 2017). It begins at 0 then. What the
//! rest sends never becomes less.

use std::{hash::BuildHasher, ops::Range, time::Instant};

use foldhash::fast::RandomState;

use super::Counter;
use crate::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
    locked,
};

/// What is counted of a principal: requests, records that were acknowledged, bytes of bodies, requests over a quota.
pub type PrincipalAmounts = [u64; 4];

/// Principals with rows, at most.
const NAMED_MAX: usize = 128;

/// Those of the rows that a principal may get.
const PLACES: usize = 8;

/// The row of all others.
const REST: usize = NAMED_MAX;

/// Of the requests of principals without a row, one of so many may get one.
const SAMPLE: u64 = 64;

/// The metrics of all principals.
#[derive(Debug)]
pub struct Principals {
    hasher: RandomState,
    /// The hash of each row's principal; 0: none.
    ids: Box<[AtomicU64]>,
    /// Held when a row gets another principal, and by a scrape.
    names: Mutex<Vec<Option<Named>>>,
    /// By worker, which alone writes them.
    rows: Vec<Rows>,
    /// Requests of principals without a row so far, those that got one included: by worker, as above.
    without: Box<[Alone]>,
}

/// Shares no cache line with that of another worker.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone(Counter);

type Rows = Box<[Row]>;

/// Of one principal.
#[derive(Debug, Default)]
struct Row([Counter; 4]);

#[derive(Debug)]
struct Named {
    name: Box<str>,
    since: Instant,
    /// What the row had counted before.
    before: PrincipalAmounts,
}

impl Principals {
    /// The label of those without a row.
    pub const REST: &'static str = "other";

    /// The longest name that gets a row, in bytes.
    const NAME_BYTES_MAX: usize = 128;

    /// For so many workers.
    pub fn new(workers: usize) -> Self {
        let rows = || {
            std::iter::repeat_with(Row::default)
                .take(NAMED_MAX + 1)
                .collect()
        };
        let free = || AtomicU64::new(0);
        Self {
            hasher: RandomState::default(),
            ids: std::iter::repeat_with(free).take(NAMED_MAX).collect(),
            names: Mutex::new((0..NAMED_MAX).map(|_| None).collect()),
            rows: std::iter::repeat_with(rows).take(workers).collect(),
            without: std::iter::repeat_with(Alone::default)
                .take(workers)
                .collect(),
        }
    }

    /// Counts what a request of a principal, which may have no name, came to. Only that worker may call it.
    pub fn count(
        &self,
        worker: usize,
        name: Option<&str>,
        amounts: PrincipalAmounts,
        now: Instant,
    ) {
        let name =
            name.filter(|it| (1..=Self::NAME_BYTES_MAX).contains(&it.len()) && *it != Self::REST);
        let rows = &self.rows[worker];
        let row = name.map_or(REST, |name| self.row(worker, name, now));
        for (counter, amount) in rows[row].0.iter().zip(amounts) {
            counter.add(amount);
        }
    }

    fn row(&self, worker: usize, name: &str, now: Instant) -> usize {
        let id = self.hasher.hash_one(name).max(1);
        let first = usize::try_from(id).unwrap_or(0) % (NAMED_MAX / PLACES) * PLACES;
        let places = first..first + PLACES;
        let find = |id| {
            let mut places = places.clone();
            places.find(|it| self.ids[*it].load(Relaxed) == id)
        };
        if let Some(row) = find(id) {
            return row;
        }
        let Alone(without) = &self.without[worker];
        let number = without.value();
        without.add(1);
        if find(0).is_none() && !self.hasher.hash_one(number).is_multiple_of(SAMPLE) {
            return REST;
        }
        self.place((id, name), places, number, now).unwrap_or(REST)
    }

    /// Gives a principal one of these rows, unless a thread is at it.
    #[cold]
    fn place(
        &self,
        (id, name): (u64, &str),
        mut places: Range<usize>,
        number: u64,
        now: Instant,
    ) -> Option<usize> {
        let mut held = self.names.try_lock().ok()?;
        if let Some(row) = places.clone().find(|it| self.ids[*it].load(Relaxed) == id) {
            return Some(row);
        }
        let free = places.clone().find(|it| held[*it].is_none());
        let row = if let Some(free) = free {
            free
        } else {
            let a_minute = |row: &usize| {
                let named = held[*row].as_ref();
                named.map_or(0, |it| self.requests_a_minute(*row, it, now))
            };
            let row = places.by_ref().min_by_key(a_minute)?;
            let random = self.hasher.hash_one((id, number));
            if !random.is_multiple_of(a_minute(&row) / SAMPLE + 1) {
                return None;
            }
            row
        };
        held[row] = Some(Named {
            name: name.into(),
            since: now,
            before: self.sums(row),
        });
        self.ids[row].store(id, Relaxed);
        Some(row)
    }

    /// Since the principal has the row, a minute at least.
    fn requests_a_minute(&self, row: usize, named: &Named, now: Instant) -> u64 {
        let seconds = now.saturating_duration_since(named.since).as_secs();
        let requests = self.sums(row)[0].saturating_sub(named.before[0]);
        requests.saturating_mul(60) / seconds.max(60)
    }

    /// Of all workers.
    fn sums(&self, row: usize) -> PrincipalAmounts {
        let mut sums = [0; 4];
        for rows in &self.rows {
            for (sum, counter) in sums.iter_mut().zip(&rows[row].0) {
                *sum += counter.value();
            }
        }
        sums
    }

    /// The principals with a row, by name, and all others as one.
    pub fn series(&self) -> Vec<(Box<str>, PrincipalAmounts)> {
        let held = locked(&self.names);
        let named = held.iter().enumerate().filter_map(|(row, named)| {
            let named = named.as_ref()?;
            let mut amounts = self.sums(row);
            for (amount, before) in amounts.iter_mut().zip(named.before) {
                *amount = amount.saturating_sub(before);
            }
            Some((named.name.clone(), amounts))
        });
        let rest = (Self::REST.into(), self.sums(REST));
        named.chain([rest]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use super::*;

    fn of(principals: &Principals) -> HashMap<Box<str>, PrincipalAmounts> {
        let series = principals.series();
        let count = series.len();
        let named: HashMap<_, _> = series.into_iter().collect();
        assert_eq!(named.len(), count, "each name once");
        named
    }

    #[test]
    fn workers_are_summed_and_names_without_a_row_are_the_rest() {
        let (principals, now) = (Principals::new(2), Instant::now());
        for (worker, name) in [(0, "a"), (1, "a"), (1, "b")] {
            principals.count(worker, Some(name), [1, 10, 100, 0], now);
        }
        let long = "x".repeat(129);
        for name in [None, Some(""), Some("other"), Some(&*long)] {
            principals.count(0, name, [1, 0, 0, 1], now);
        }
        let expected = [
            ("a", [2, 20, 200, 0]),
            ("b", [1, 10, 100, 0]),
            ("other", [4, 0, 0, 4]),
        ];
        let expected = expected.map(|(name, amounts)| (name.into(), amounts));
        assert_eq!(of(&principals), HashMap::from(expected));
    }

    #[test]
    fn those_that_send_most_get_rows_and_the_number_is_bounded() {
        let (principals, start) = (Principals::new(1), Instant::now());
        let mut heavy = 0;
        for round in 0..200_000_u64 {
            let now = start + Duration::from_millis(round);
            principals.count(
                0,
                Some(&format!("light {}", round % 20_000)),
                [1, 0, 0, 0],
                now,
            );
            // They come later than those that have taken all rows.
            if round > 40_000 {
                principals.count(0, Some(&format!("heavy {}", round % 4)), [1, 0, 0, 0], now);
                heavy += 1;
            }
        }
        let series = of(&principals);
        assert!(series.len() <= NAMED_MAX + 1, "{}", series.len());
        let named = series.iter().filter(|(name, _)| name.starts_with("heavy"));
        let counted: u64 = named.clone().map(|(_, amounts)| amounts[0]).sum();
        assert_eq!(named.count(), 4);
        assert!(counted > heavy / 10 * 9, "{counted} of {heavy}");
        let rest = series[Principals::REST][0];
        assert!(
            rest > 180_000,
            "{rest} of the light ones: few take a row from another"
        );
    }

    #[test]
    fn no_series_ever_falls_while_it_is_there() {
        let (principals, start) = (Principals::new(1), Instant::now());
        let mut before = of(&principals);
        for round in 0..20_000_u64 {
            let now = start + Duration::from_millis(10 * round);
            principals.count(0, Some(&format!("{}", round % 997)), [1, 1, 1, 0], now);
            if round.is_multiple_of(500) {
                let after = of(&principals);
                assert!(after["other"] >= before["other"]);
                before = after;
            }
        }
        let total: u64 = before.values().map(|it| it[0]).sum();
        assert!(total <= 20_000);
    }
}
