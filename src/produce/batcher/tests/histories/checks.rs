//! What must hold after each step of a history, and at its end.

use std::time::Duration;

use super::world::{LaneState, State, World, hold};
use crate::produce::batcher::{forming::LOOKED_AT_MAX, topic::Partition};

/// A broker is late at the latest when a batch was out for so long.
const LATE_MAX: Duration = Duration::from_secs(3);

/// After each step.
pub(super) fn check(world: &World) {
    check_counts(world);
    let answered = world.all_answered_until(world.ticked);
    hold!(answered, "a request is not answered at its deadline");
    for topic in 0..world.announced.len() {
        check_forming(world, topic);
        check_wake_up(world, topic);
    }
    check_alone(world);
}

fn check_counts(world: &World) {
    let of = |state: State| {
        let entries = world.live.iter().map(|it| &world.records[*it]);
        entries.filter(|it| it.state == state).count()
    };
    let (waiting, again) = (of(State::Waiting), of(State::Again));
    let counted = world.batcher.waiting();
    hold!(
        counted == waiting + again,
        "{counted} are said to wait: {waiting} and {again} do"
    );
    let given_up = world.purged && counted > 0;
    hold!(!given_up, "{counted} wait although everything was given up");
    hold!(
        world.batcher.wants_alone_lane() == (again > 0),
        "the lane of records alone is needed: {again}"
    );
    let (live, entered) = (world.live.len(), world.table.records());
    hold!(live == entered, "{entered} are in flight, not {live}");
    for lane in 0..world.lanes.len() {
        let on = world.out.iter().filter(|it| it.lane == lane).count();
        let counted = world.batcher.batches_on(lane);
        hold!(on == counted, "{counted} are said to be out, not {on}");
    }
}

/// A batch that is being formed has a time to go.
fn check_forming(world: &World, topic: usize) {
    let Some(due) = world.batcher.topics[topic].due else {
        return;
    };
    let linger = world.rules.linger;
    let most = if linger.is_given {
        linger.time
    } else {
        world.rules.linger.time.max(world.longest)
    };
    let wait = due.saturating_duration_since(world.now);
    hold!(wait <= most, "a batch of topic {topic} is due in {wait:?}");
    let next = world.batcher.next_due();
    hold!(
        next.is_some_and(|next| next <= due),
        "topic {topic} is due before {next:?}"
    );
}

/// What waits and may be sent is about to be: it has a time, or it is waiting for the end of a batch.
fn check_wake_up(world: &World, topic: usize) {
    let (batcher, it) = (&world.batcher, &world.batcher.topics[topic]);
    let pointless = it.learned.is_some() && it.may_go_unplaced();
    hold!(!pointless, "the partitions of topic {topic} are forgotten");
    if it.due.is_some() {
        return;
    }
    let room = |lane: usize, broker: usize| {
        let out = world.out.iter();
        let out = out.filter(|it| it.lane == lane && it.broker == Some(broker));
        world.lanes[lane] == LaneState::Serving
            && out.count() < world.rules.requests_max as usize
            && !batcher.brokers[broker].is_late()
    };
    let topics_own = world.out.iter().filter(|it| it.topic == topic && !it.alone);
    let is_out = |place: usize| topics_own.clone().any(|it| it.partition == Some(place));
    let mut keyed_lanes = 0..world.rules.lanes_max;
    let keyed_lane = |lane: usize| {
        it.lane.is_none_or(|keyed| keyed == lane) && world.lanes[lane] == LaneState::Serving
    };
    if it.partitions.is_empty() {
        let may = !it.queue.is_empty() && it.may_go_unplaced() && keyed_lanes.any(keyed_lane);
        hold!(!may, "topic {topic} is forgotten, its partitions unknown");
        return;
    }
    for (place, partition) in it.partitions.iter().enumerate() {
        let may = !is_out(place) && partition.retry_due.is_none();
        let Some(broker) = partition.broker.filter(|_| may) else {
            continue;
        };
        let mut lanes = 0..world.rules.lanes_max;
        // Of very many partitions not all are looked at each time.
        let may = !it.queue.is_empty()
            && it.partitions.len() <= LOOKED_AT_MAX
            && lanes.any(|lane| room(lane, broker));
        hold!(!may, "records of topic {topic} without a key are forgotten");
        let may = !partition.queue.is_empty()
            && partition.held == 0
            && it.learned.is_none()
            && (0..world.rules.lanes_max).any(|lane| keyed_lane(lane) && room(lane, broker));
        hold!(!may, "partition {place} of topic {topic} is forgotten");
    }
}

fn check_alone(world: &World) {
    let lane = world.batcher.alone_lane();
    if world.lanes[lane] != LaneState::Serving {
        return;
    }
    let batcher = &world.batcher;
    let busy = world.out.iter().any(|it| it.lane == lane);
    let mut brokers = batcher
        .alone
        .iter()
        .map(|it| batcher.broker_of(it.topic, it.partition));
    let may = brokers.any(|it| it.is_none_or(|it| batcher.may_send((it, lane), world.now)));
    hold!(busy || !may, "records to be sent alone are forgotten");
}

/// After a tick: nothing waits for longer than it may, and brokers that do not answer are known.
pub(super) fn check_tick(world: &World) {
    for index in &world.live {
        let entry = &world.records[*index];
        let waits = entry.state == State::Waiting && entry.deadline <= world.now;
        hold!(!waits, "record {index} waits beyond its deadline");
    }
    let again = |deadline| deadline <= world.now;
    let overdue = world.batcher.alone.iter().any(|it| again(it.deadline));
    hold!(
        !overdue,
        "a record to be sent alone waits beyond its deadline"
    );
    for out in &world.out {
        let overdue = world.now - out.sent >= LATE_MAX;
        let late = out.broker.is_none_or(|it| {
            let broker = &world.batcher.brokers[it];
            broker.is_late() || !broker.is_latest(out.sent)
        });
        hold!(
            late || !overdue,
            "a broker that does not answer is not late"
        );
    }
}

/// At the end: everything was reported and answered, and nothing is left.
pub(super) fn check_end(world: &World) {
    hold!(world.live.is_empty(), "records are left: {:?}", world.live);
    hold!(world.all_closed(), "a request has no answer");
    let held = world.admission.in_flight_bytes();
    hold!(held == 0, "{held} bytes are still held");
    hold!(world.batcher.batches.is_empty(), "a batch is left");
    for (broker, it) in world.batcher.brokers.iter().enumerate() {
        hold!(it.out() == 0, "broker {broker} has {} batches", it.out());
    }
    for (topic, it) in world.batcher.topics.iter().enumerate() {
        let idle = it.out == 0 && it.may_go_unplaced() && it.learned.is_none();
        hold!(idle, "topic {topic} is not idle: {it:?}");
        let idle = it.partitions.iter().all(Partition::is_free);
        hold!(idle, "a partition of topic {topic} is not free: {it:?}");
        hold!(!it.has_waiting(), "topic {topic} has records waiting");
    }
}
