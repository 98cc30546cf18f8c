//! Reports of neighbours in a batch, and of records that are not out.

use super::*;

/// In groups of any size, forwards and backwards; what is not out ends nothing.
#[test]
fn reports_of_neighbours_end_the_records_at_their_positions() {
    const COUNT: usize = 6;
    let never = |_: &[Record]| panic!("not out");
    for cuts in 0..1_u32 << (COUNT - 1) {
        let (mut ranges, mut start) = (Vec::new(), 0);
        let is_cut = |end: &usize| cuts >> (end - 1) & 1 == 1;
        for end in (1..COUNT).filter(is_cut).chain([COUNT]) {
            ranges.push(start..end);
            start = end;
        }
        for _ in 0..2 {
            ranges.reverse();
            let mut bench = Bench::new(rules(), &[1]);
            // Behind this one the others wait for a batch of their own.
            bench.push(1);
            let lone = bench.sent();
            bench.push(COUNT);
            bench.wait(ROUND_TRIP);
            bench.end(lone[0], Ok(()));
            bench.wait(ROUND_TRIP);
            let key = bench.only();
            let expected: Vec<_> = bench
                .batch(key)
                .records
                .iter()
                .map(|it| it.request)
                .collect();
            assert_eq!(expected.len(), COUNT);
            for positions in ranges.clone() {
                for unknown in [0..COUNT + 1, COUNT..COUNT + 1] {
                    assert!(!bench.batcher.delivered((key, unknown), bench.now, never));
                }
                let expected = &expected[positions.clone()];
                let are_out = bench.batcher.delivered((key, positions), bench.now, |it| {
                    assert!(it.iter().map(|it| it.request).eq(expected.iter().copied()));
                });
                assert!(are_out);
            }
            assert!(bench.batcher.batch(key).is_none());
            assert!(!bench.batcher.delivered((key, 0..1), bench.now, never));
        }
    }
}

#[test]
fn a_stale_report_is_unknown() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(1);
    let batch = bench.only();
    bench.end(batch, Ok(()));
    bench.push(1);
    bench.now += ROUND_TRIP;
    bench.sent();
    assert!(!bench.batcher.delivered((batch, 0..1), bench.now, |_| {}));
    let failed = (bench.batcher).failed((batch, 0), (Fault::TimedOut, true), bench.now);
    assert!(matches!(failed, Reported::Unknown));
}
