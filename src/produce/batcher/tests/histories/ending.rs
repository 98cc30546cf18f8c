//! How a history ends: with brokers that answer, with none, or with everything given up.

use std::time::Duration;

use super::{
    checks,
    random::Random,
    world::{LaneState, State, World, hold},
};
use crate::produce::fault::Fault;

const TICK: Duration = Duration::from_millis(20);

/// What waits is sent within that time once every broker answers.
const SENT_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn run(world: &mut World, random: &mut Random) {
    world.random = Random::new(random.word());
    world.local_refusals = 0;
    if !world.purged && random.one_in(4) {
        fall_silent(world);
    } else {
        recover(world);
    }
}

/// Every broker answers, and all is well, until nothing is left.
fn recover(world: &mut World) {
    world.note(|| "everything is well from now on".to_owned());
    world.cluster.trouble.refusals = 0;
    world.cluster.trouble.faults = 0;
    world.cluster.hung.fill(false);
    for topic in 0..world.cluster.topics.len() {
        let leaders = &mut world.cluster.topics[topic];
        let mut entries = world.live.iter().map(|it| &world.records[*it]);
        let keyed = entries.any(|it| it.topic == topic && it.key.is_some());
        let out = world.out.iter().any(|it| it.topic == topic);
        // What has no key and was not handed over goes where there is a leader.
        if keyed || out || leaders.iter().all(Option::is_none) {
            for leader in leaders.iter_mut() {
                leader.get_or_insert(0);
            }
        }
        world.announce(topic, None);
    }
    let until = world.now + SENT_WITHIN;
    let unsent: Vec<_> = world.live.clone();
    while !world.live.is_empty() || !world.out.is_empty() {
        hold!(world.now < until + SENT_WITHIN * 2, "it goes on for ever");
        for lane in 0..world.lanes.len() {
            world.open_lane(lane);
        }
        answer_all(world);
        world.tick(TICK);
        checks::check_tick(world);
        world.answer();
        checks::check(world);
        if world.now >= until {
            let waits = unsent
                .iter()
                .find(|it| matches!(world.records[**it].state, State::Waiting | State::Again));
            hold!(
                waits.is_none(),
                "record {waits:?} was not sent for {SENT_WITHIN:?}"
            );
        }
    }
    let lost = unsent.iter().find(|it| {
        let entry = &world.records[**it];
        let unsent = State::Ended(Err((Fault::TimedOut, false)));
        entry.state == unsent && entry.deadline > until
    });
    hold!(lost.is_none(), "record {lost:?} was not sent");
}

/// Brokers answer what they have, and what follows at once.
fn answer_all(world: &mut World) {
    for _ in 0..20 {
        for place in world.cluster.answerable() {
            let done = world.cluster.answer(place, &mut world.random);
            world.look(done);
        }
        for place in world.cluster.reported() {
            while let Some(report) = world.cluster.next_report(place) {
                world.settle((report.batch, report.position), report.record, report.end);
            }
        }
        world.dispatch();
        world.answer();
        checks::check(world);
    }
}

/// Nothing answers any more: what waits is over at its deadline, what is out when its handle fails.
fn fall_silent(world: &mut World) {
    world.note(|| "nothing answers from now on".to_owned());
    world.cluster.hung.fill(true);
    for _ in 0..6 {
        world.tick(Duration::from_secs(4));
        checks::check_tick(world);
        world.answer();
        checks::check(world);
    }
    for lane in 0..world.lanes.len() {
        world.fail_lane(lane);
        let open = world.lanes[lane] == LaneState::Serving;
        hold!(!open, "a lane that has failed is open");
    }
    answer_all(world);
    world.tick(Duration::from_secs(20));
    checks::check_tick(world);
    answer_all(world);
}
