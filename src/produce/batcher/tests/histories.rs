//! What must hold whatever happens, by histories from a seed: a worker's batcher and in-flight table, with
//! a model of librdkafka and of the brokers.
//!
//! A history is a list of steps, each with its own random word, so that it stays one when steps are left
//! out: one that breaks a rule is shortened before it is shown. `RINGEST_TEST_HISTORIES` names how many
//! are tried (`50000`), or which (`1234..1235`).

mod checks;
mod clients;
mod cluster;
mod ending;
mod handed;
mod random;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{BatchRules, Linger};
use crate::produce::fault::Fault;
use cluster::{Cluster, Trouble};
use random::Random;
use world::{REPORT_TIMEOUT, World};

/// In CI: about ten seconds without optimization.
const HISTORIES: u64 = 2_000;

/// How long it may take to shorten one.
const SHORTENED_WITHIN: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Arrive,
    ArriveArray,
    Answer,
    Fetch,
    Wait,
    Tick,
    Jump,
    Abandon,
    OpenLane,
    FailLane,
    MoveLeader,
    Announce,
    Forget,
    Grow,
    Recreate,
    Hang,
    Heal,
    RepeatReport,
    Purge,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    word: u64,
}

/// How often each step comes in a history, relative to the others.
fn weights(random: &mut Random) -> Vec<(Kind, usize)> {
    let mut often = |kinds: &[usize]| random.pick(kinds);
    vec![
        (Kind::Arrive, often(&[10, 30, 60])),
        (Kind::ArriveArray, often(&[0, 5, 20])),
        (Kind::Answer, often(&[20, 40])),
        (Kind::Fetch, often(&[30, 60])),
        (Kind::Wait, often(&[5, 20])),
        (Kind::Tick, often(&[5, 10])),
        (Kind::Jump, often(&[0, 0, 1, 3])),
        (Kind::Abandon, often(&[0, 2])),
        (Kind::OpenLane, often(&[3, 10])),
        (Kind::FailLane, often(&[0, 0, 1, 3])),
        (Kind::MoveLeader, often(&[0, 0, 2, 6])),
        (Kind::Announce, often(&[2, 6])),
        (Kind::Forget, often(&[0, 0, 0, 3])),
        (Kind::Grow, often(&[0, 0, 1])),
        (Kind::Recreate, often(&[0, 0, 0, 1])),
        (Kind::Hang, often(&[0, 0, 1, 2])),
        (Kind::Heal, often(&[0, 1, 2])),
        (Kind::RepeatReport, 1),
    ]
}

fn steps(random: &mut Random) -> Vec<Step> {
    let weights = weights(random);
    let sum = weights.iter().map(|(_, weight)| weight).sum();
    let count = random.pick(&[30, 100, 300]);
    let step = |random: &mut Random| {
        let mut at = random.below(sum);
        let (kind, _) = weights.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        })?;
        let word = random.word();
        Some(Step { kind: *kind, word })
    };
    let mut steps: Vec<_> = (0..count).filter_map(|_| step(random)).collect();
    if random.one_in(8) {
        let word = random.word();
        let kind = Kind::Purge;
        steps.push(Step { kind, word });
    }
    steps
}

fn rules(random: &mut Random) -> BatchRules {
    let ms = |ms| Duration::from_millis(ms);
    let linger = [(0, true), (1, false), (1, false), (5, true), (20, true)];
    let (time, is_given) = random.pick(&linger);
    BatchRules {
        bytes_max: random.pick(&[200, 1_000, 5_000]),
        records_max: random.pick(&[1, 3, 10, 100]),
        linger: Linger {
            time: ms(time),
            is_given,
        },
        requests_max: u32::try_from(random.between(1, 5)).expect("a few"),
        places_keys: !random.one_in(6),
        lanes_max: random.between(1, 3),
        alone_within: REPORT_TIMEOUT,
    }
}

fn world(random: &mut Random, start: Instant) -> World {
    let rules = rules(random);
    let brokers = random.between(1, 4);
    let topics = random.between(1, 5);
    let topics = (0..topics).map(|_| {
        let count = random.pick(&[0, 1, 1, 2, 3, 6, 6, 12, 90]);
        let without = if count > 64 && random.one_in(2) {
            random.between(60, 80)
        } else {
            0
        };
        let mut leader = || (!random.one_in(12)).then(|| random.below(brokers));
        (0..count)
            .map(|place| leader().filter(|_| place >= without))
            .collect()
    });
    let topics = topics.collect();
    let trouble = Trouble {
        refusals: random.pick(&[0, 3, 20]),
        faults: random.pick(&[0, 4, 20]),
    };
    let cluster = Cluster::new(brokers, topics, trouble);
    let mut world = World::new(rules, cluster, start);
    world.local_refusals = random.pick(&[0, 0, 30]);
    if !random.one_in(10) {
        world.open_lane(0);
    }
    for topic in 0..world.cluster.topics.len() {
        if !random.one_in(3) {
            world.announce(topic, None);
        }
    }
    world
}

/// The keys of a request's records, and for what each is refused.
fn arrival(random: &mut Random, count: usize) -> (Vec<Option<u32>>, Vec<Option<Fault>>) {
    let (keys, guilt) = (random.pick(&[0, 1, 3, 50]), random.pick(&[0, 0, 5, 40]));
    let nullable = random.one_in(3);
    let key = |random: &mut Random| {
        let number = random.below(keys.max(1)) as u64;
        let hash = Random::new(number).word().to_le_bytes();
        let hash = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]);
        (keys > 0 && !(nullable && random.one_in(2))).then_some(hash)
    };
    let keys = (0..count).map(|_| key(random)).collect();
    let mut refused = || {
        let guilty = guilt > 0 && random.one_in(guilt);
        guilty.then(|| random.pick(&[Fault::RecordTooLarge, Fault::RecordRefused]))
    };
    (keys, (0..count).map(|_| refused()).collect())
}

fn act(world: &mut World, step: Step) {
    world.random = Random::new(step.word);
    let random = &mut world.random;
    let topic = random.below(world.cluster.topics.len());
    let lane = random.below(world.lanes.len());
    let broker = random.below(world.cluster.hung.len());
    match step.kind {
        Kind::Arrive | Kind::ArriveArray => {
            let most = if step.kind == Kind::Arrive { 1 } else { 60 };
            let count = random.between(1, most);
            let (keys, guilt) = arrival(random, count);
            if !world.purged {
                world.arrive(topic, &keys, &guilt);
            }
        }
        Kind::Answer => {
            let places = world.cluster.answerable();
            if !places.is_empty() {
                let place = random.pick(&places);
                let done = world.cluster.answer(place, random);
                world.note(|| format!("the brokers answer {place:?}"));
                world.look(done);
            }
        }
        Kind::Fetch => fetch(world),
        Kind::Wait => {
            let time = Duration::from_micros(random.below(4_000) as u64);
            world.now += time;
            world.dispatch();
        }
        Kind::Tick => {
            let time = Duration::from_millis(random.between(15, 25) as u64);
            world.tick(time);
            checks::check_tick(world);
        }
        Kind::Jump => {
            let time = Duration::from_millis(random.pick(&[300, 600, 1_200, 3_100, 9_500, 20_000]));
            world.tick(time);
            checks::check_tick(world);
        }
        Kind::Abandon => world.abandon(),
        Kind::OpenLane => world.open_lane(lane),
        Kind::FailLane => world.fail_lane(lane),
        Kind::MoveLeader => {
            let leader = (!random.one_in(4)).then_some(broker);
            let leaders = &mut world.cluster.topics[topic];
            if !leaders.is_empty() {
                let partition = random.below(leaders.len());
                leaders[partition] = leader;
                world.note(|| format!("{leader:?} leads partition {partition} of topic {topic}"));
            }
        }
        Kind::Announce => world.announce(topic, None),
        Kind::Forget => world.announce(topic, Some(Vec::new())),
        Kind::Grow => {
            let more = random.between(1, 4);
            let leaders = &mut world.cluster.topics[topic];
            leaders.resize(leaders.len() + more, Some(broker));
            world.note(|| format!("topic {topic} has {more} more partitions"));
        }
        Kind::Recreate => {
            let leaders = &mut world.cluster.topics[topic];
            let fewer = random.below(leaders.len() + 1);
            leaders.truncate(fewer);
            world.cluster.recreated[topic] = true;
            world.note(|| format!("topic {topic} is made anew with {fewer} partitions"));
        }
        Kind::Hang | Kind::Heal => {
            world.cluster.hung[broker] = step.kind == Kind::Hang;
            world.note(|| format!("broker {broker}: {:?}", step.kind));
        }
        Kind::RepeatReport => world.repeat_report(),
        Kind::Purge => world.purge(),
    }
}

/// The worker fetches some reports.
fn fetch(world: &mut World) {
    let places = world.cluster.reported();
    if places.is_empty() {
        return;
    }
    for _ in 0..world.random.between(1, 20) {
        let place = world.random.pick(&places);
        if let Some(report) = world.cluster.next_report(place) {
            world.settle((report.batch, report.position), report.record, report.end);
        }
    }
    world.dispatch();
}

/// A history without those of its steps that are left out; what broke a rule in it.
fn run(seed: u64, kept: Option<&[Step]>, trace: bool) -> Result<(), (String, Vec<String>)> {
    let start = Instant::now();
    let mut random = Random::new(seed);
    let mut setting = Random::new(random.word());
    let mut end = Random::new(random.word());
    let steps = kept.map_or_else(|| steps(&mut random), <[Step]>::to_vec);
    let mut history = None;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let history = history.insert(world(&mut setting, start));
        history.trace = trace.then(Vec::new);
        for step in steps {
            act(history, step);
            history.answer();
            checks::check(history);
        }
        ending::run(history, &mut end);
        checks::check_end(history);
    }));
    ended.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        let trace = history.and_then(|it| it.trace).unwrap_or_default();
        (text.unwrap_or_default(), trace)
    })
}

/// Leaves out what the failure does not need: ever smaller parts of the history.
fn shortened(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    random.word();
    random.word();
    let start = Instant::now();
    let mut kept = steps(&mut random);
    let mut part = kept.len().div_ceil(2);
    loop {
        let mut begin = 0;
        while begin < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(begin..(begin + part).min(kept.len()));
            if start.elapsed() > SHORTENED_WITHIN {
                return kept;
            }
            if run(seed, Some(&fewer), false).is_err() {
                kept = fewer;
            } else {
                begin += part;
            }
        }
        if part == 1 {
            return kept;
        }
        part = part.div_ceil(2);
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(given) = std::env::var("RINGEST_TEST_HISTORIES") else {
        return 0..HISTORIES;
    };
    let number = |text: &str| text.parse().expect("RINGEST_TEST_HISTORIES: a number");
    match given.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&given),
    }
}

#[test]
fn whatever_happens_every_request_has_its_true_answer_and_nothing_is_left() {
    for seed in seeds() {
        if run(seed, None, false).is_err() {
            let kept = shortened(seed);
            let (text, trace) = run(seed, Some(&kept), true).expect_err("it has failed");
            let trace = trace.join("\n");
            panic!("history {seed}: {text}\n{trace}");
        }
    }
}
