use std::{num::NonZeroU64, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{Allowance, Bucket, ClaimBuckets, Level, Levels, Quota, QuotaOf, Quotas, Rate, Unit};

const SECOND: u64 = 1_000_000_000;

fn rate(per_second: u64, burst_ms: u64) -> Rate {
    let per_second = NonZeroU64::new(per_second).expect("not 0");
    Rate::new(per_second, Duration::from_millis(burst_ms))
}

fn quota(requests: u64, records: u64, bytes: u64) -> Quota {
    Quota::new([requests, records, bytes], Duration::from_secs(1))
}

/// Takes one at a time, as many as there are.
fn all_of(level: &Level, rate: Rate, now_ns: u64) -> u64 {
    (0..1_000_000)
        .take_while(|_| level.take(rate, 1, now_ns).is_ok())
        .count() as u64
}

#[test]
fn a_burst_then_the_rate() {
    let (level, rate) = (Level::default(), rate(100, 500));
    let start = 7 * SECOND;
    assert_eq!(all_of(&level, rate, start), 50);
    assert_eq!(level.take(rate, 1, start), Err(SECOND / 100));
    assert_eq!(level.take(rate, 1, start + SECOND / 100 - 1), Err(1));
    assert_eq!(all_of(&level, rate, start + SECOND / 100), 1);
    assert_eq!(all_of(&level, rate, start + SECOND / 10), 9);
    assert!(!level.is_full(start + SECOND / 2));
    assert!(level.is_full(start + SECOND));
    assert_eq!(all_of(&level, rate, start + 1_000 * SECOND), 50);
}

#[test]
fn the_shortest_burst_is_one() {
    let (level, rate) = (Level::default(), rate(10, 1));
    assert_eq!(all_of(&level, rate, 0), 1);
    assert_eq!(all_of(&level, rate, SECOND / 10 - 1), 0);
    assert_eq!(all_of(&level, rate, SECOND / 10), 1);
}

#[test]
fn what_is_larger_than_the_burst_is_owed() {
    let (level, rate) = (Level::default(), rate(1_000, 1_000));
    assert_eq!(level.take(rate, 999, 0), Ok(()));
    assert_eq!(level.take(rate, 5_000, 0), Ok(()), "one is left");
    assert_eq!(level.take(rate, 0, 0), Err(5 * SECOND));
    assert_eq!(level.take(rate, 0, 5 * SECOND), Ok(()), "nothing is taken");
    assert_eq!(level.take(rate, 1, 5 * SECOND), Ok(()));
    assert!(level.take(rate, 1, 5 * SECOND).is_err());
    level.owe(rate, 2_000, 5 * SECOND);
    assert_eq!(
        level.take(rate, 1, 6 * SECOND),
        Err(SECOND + SECOND / 1_000)
    );
    level.give_back(rate, 2_000);
    assert_eq!(all_of(&level, rate, 6 * SECOND), 1_000);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let (level, rate) = (Level::default(), rate(1, 3_600_000));
    for _ in 0..20 {
        level.owe(rate, u64::MAX, 1);
    }
    assert!(level.take(rate, 1, 1).is_err());
    assert!(level.take(self::rate(1_000_000_000_000, 1), 1, 0).is_err());
}

proptest! {
    /// An amount is refused if and only if, since some moment, more was taken than accrues plus what may come at once.
    #[test]
    fn never_more_than_the_rate_and_never_less(
        per_second in 1_u64..2_000_000,
        burst_ms in 0_u64..5_000,
        requests in prop::collection::vec((0_u64..200_000_000, 1_u64..3_000), 1..80),
    ) {
        let (level, rate) = (Level::default(), rate(per_second, burst_ms));
        let mut now = 0;
        let mut taken: Vec<(u64, u64)> = Vec::new();
        for (pause, amount) in requests {
            now += pause;
            let mut sum = 0;
            let ahead = taken.iter().rev().map(|(at, cost)| {
                sum += cost;
                sum.saturating_sub(now - at)
            });
            let ahead = ahead.max().unwrap_or(0);
            let is_taken = level.take(rate, amount, now).is_ok();
            prop_assert_eq!(is_taken, ahead + rate.cost_ns(1) <= rate.burst_ns());
            if is_taken {
                taken.push((now, rate.cost_ns(amount)));
            }
        }
        // In whole units, with what the last one owes.
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (at, cost) in &taken[first..] {
                prop_assert!(sum <= at - from + rate.burst_ns());
                sum += cost;
            }
        }
    }

    /// Rounding refuses nobody, and grants no more than a nanosecond each time.
    #[test]
    fn costs_are_rounded_down(per_second in 1_u64..1_000_000_000_000, amount in 0_u64..1 << 30) {
        let cost = u128::from(rate(per_second, 1).cost_ns(amount));
        let exact = u128::from(amount) * u128::from(SECOND);
        prop_assert!(cost * u128::from(per_second) <= exact);
        prop_assert!((cost + 1) * u128::from(per_second) > exact);
    }

    /// What a second's burst allows at once is the amount a second, as the answer says.
    #[test]
    fn a_burst_is_as_many_as_it_says(per_second in 1_u64..5_000) {
        let (level, rate) = (Level::default(), rate(per_second, 1_000));
        prop_assert_eq!(all_of(&level, rate, 5), per_second);
    }
}

#[test]
fn a_request_takes_from_all_its_quotas_or_from_none() {
    let principal = Allowance::Own(Arc::new(Bucket::new(quota(10, 0, 1_000))));
    let route = Bucket::new(quota(0, 5, 100));
    let quotas = Quotas {
        principal: Some(&principal),
        route: Some(&route),
    };
    let take = |bytes, now| quotas.take(&[(Unit::Requests, 1), (Unit::Bytes, bytes)], now);
    assert_eq!(take(100, 0), Ok(()));
    // The route's bytes are used up: nothing is taken of the principal's.
    for _ in 0..100 {
        let error = take(1, 0).expect_err("over");
        assert_eq!((error.of, error.unit), (QuotaOf::Route, Unit::Bytes));
        assert_eq!(error.wait_seconds(), 1);
    }
    let alone = Quotas {
        route: None,
        ..quotas
    };
    for _ in 0..9 {
        assert_eq!(
            alone.take(&[(Unit::Requests, 1), (Unit::Bytes, 99)], 0),
            Ok(())
        );
    }
    let error = take(0, 0).expect_err("over");
    assert_eq!((error.of, error.unit), (QuotaOf::Principal, Unit::Requests));
    assert_eq!(quotas.take(&[(Unit::Records, 50)], 0), Ok(()));
    let error = quotas.take(&[(Unit::Records, 1)], 0).expect_err("over");
    assert_eq!((error.of, error.unit), (QuotaOf::Route, Unit::Records));
    assert_eq!(error.wait_ns, 9 * SECOND + SECOND / 5);
    assert_eq!(error.wait_seconds(), 10);
    quotas.owe(Unit::Bytes, 300, 10 * SECOND);
    let error = take(1, 10 * SECOND).expect_err("over");
    assert_eq!((error.of, error.wait_seconds()), (QuotaOf::Route, 3));
    assert_eq!(Quotas::default().take(&[(Unit::Requests, 1)], 0), Ok(()));
    assert!(Quotas::default().is_empty() && !quotas.is_empty());
}

/// Takes one request.
fn takes(levels: &Levels, quota: &Quota, now_ns: u64) -> bool {
    levels.take(quota, Unit::Requests, 1, now_ns).is_ok()
}

#[test]
fn values_of_a_claim_have_a_bucket_each() {
    let quota = quota(3, 0, 0);
    let buckets = ClaimBuckets::new(quota, 16);
    let ids = ["a", "b", "c", ""].map(Some).map(|it| buckets.id(it));
    for id in ids.into_iter().chain([buckets.id(None)]) {
        for round in 0..4 {
            let levels = buckets.levels(id, 0);
            assert_eq!(takes(levels, &quota, 0), round < 3);
        }
    }
    assert_eq!(buckets.id(Some("a")), ids[0]);
}

/// A client with very many names gets no more by them, and takes nobody's place.
#[test]
fn a_flood_of_values_shares_what_is_left() {
    let quota = quota(10, 0, 0);
    let buckets = ClaimBuckets::new(quota, 1);
    let first = buckets.id(Some("first"));
    // It owes more than a second.
    buckets.levels(first, 0).owe(&quota, Unit::Requests, 20, 0);
    let take = |name: u32, now| {
        let id = buckets.id(Some(&format!("flood {name}")));
        takes(buckets.levels(id, now), &quota, now)
    };
    let taken = (0..1_000).filter(|name| take(*name, 0)).count();
    // Seven places that hold one each, and one bucket for all the others.
    assert_eq!(taken, 7 + 10);
    assert!(!takes(
        buckets.levels(first, SECOND - 1),
        &quota,
        SECOND - 1
    ));
    // As soon as the buckets are full, the places are free.
    let taken = (0..1_000).filter(|name| take(*name, SECOND)).count();
    assert_eq!(taken, 7 + 10);
    assert!(takes(buckets.levels(first, 2 * SECOND), &quota, 2 * SECOND));
}

#[test]
fn the_memory_is_as_documented() {
    assert_eq!(ClaimBuckets::BYTES, 8_192 * 320);
    assert_eq!(align_of::<Bucket>(), 128);
}
