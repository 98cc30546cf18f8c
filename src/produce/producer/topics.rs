//! The topics of a producer: their partitions and configurations, as the watch learns of them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use super::Producer;
use crate::{produce::lane::Lane, route::RouteTable};

impl Producer {
    /// Makes it one for the topics of these routes: those that it has, and new ones behind them. A topic that
    /// no record goes to costs nothing; handles that have one open which no route uses any more are replaced.
    pub fn set_routes(&self, routes: &RouteTable) {
        self.add_topics(routes.topics());
        let used = routes.topics_used();
        let has_others = |lane: &&Lane| lane.has_topic_outside(&used);
        let outdated: Vec<_> = self.lanes.iter().filter(has_others).collect();
        self.renew(&outdated, || used);
    }

    /// Passes the latest token on to the handles, and replaces those that were opened with other properties.
    pub(super) fn keep_up_with_access(&self, now: Instant) {
        self.lanes.iter().for_each(Lane::take_token);
        let is_outdated = |lane: &&Lane| lane.is_outdated(now);
        let outdated: Vec<_> = self.lanes.iter().filter(is_outdated).collect();
        self.renew(&outdated, || (0..self.topics.borrow().len()).collect());
    }

    /// Replaces the handles of these lanes by others with connections to the leaders of these topics.
    fn renew(&self, lanes: &[&Lane], topics: impl FnOnce() -> HashSet<usize>) {
        if lanes.is_empty() {
            return;
        }
        let connections = self.a_partition_of_each_leader(&topics());
        for lane in lanes {
            lane.renew(&connections);
        }
    }

    /// A partition of each broker that leads one of these topics.
    fn a_partition_of_each_leader(&self, used: &HashSet<usize>) -> Vec<(Arc<str>, i32)> {
        let (topics, view) = (self.topics.borrow(), self.watch.view());
        let mut connections = BTreeMap::new();
        for topic in used.iter().filter_map(|it| topics.get(*it)) {
            let leaders = view.leaders(topic).into_iter().flat_map(|it| it.iter());
            for (partition, leader) in (0..).zip(leaders) {
                if let Some(leader) = leader {
                    let partition = || (Arc::clone(topic), partition);
                    connections.entry(*leader).or_insert_with(partition);
                }
            }
        }
        connections.into_values().collect()
    }

    fn add_topics(&self, topics: &[Arc<str>]) {
        let mut known = self.topics.borrow_mut();
        let new = topics.get(known.len()..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        known.extend(new.iter().map(Arc::clone));
        for _ in new {
            self.batcher.borrow_mut().add_topic();
        }
        drop(known);
        self.watch.add_topics(topics);
        self.view_generation.set(u64::MAX);
        self.settings_generation.set(u64::MAX);
        self.learn_of_topics();
    }

    /// Takes over what the watch has learned since the last call.
    pub(super) fn learn_of_topics(&self) {
        self.learn_partitions();
        self.learn_settings();
    }

    /// Passes on to the batcher what the watch has learned since the last call.
    fn learn_partitions(&self) {
        let Some((generation, view)) = self.watch.newer_than(self.view_generation.get()) else {
            return;
        };
        self.view_generation.set(generation);
        let (topics, mut batcher) = (self.topics.borrow(), self.batcher.borrow_mut());
        for (topic, name) in topics.iter().enumerate() {
            let leaders = view.leaders(name);
            batcher.set_partitions(topic, leaders.map_or(&[], |leaders| &**leaders));
        }
        let missing_since = topics.iter().map(|name| view.missing_since(name));
        self.missing_since.replace(missing_since.collect());
    }

    /// Whether the brokers have been without the topic for so long that its records would only wait to be
    /// refused: librdkafka waits that long anew with each of its handles.
    pub(super) fn is_missing(&self, topic: usize, now: Instant) -> bool {
        let since = self.missing_since.borrow()[topic];
        since.is_some_and(|since| now.saturating_duration_since(since) >= self.topic_unknown_max)
    }

    /// Keeps to what the topics are configured to.
    fn learn_settings(&self) {
        let latest = self.settings_generation.get();
        let Some((generation, settings)) = self.watch.settings_newer_than(latest) else {
            return;
        };
        self.settings_generation.set(generation);
        let (topics, mut batcher) = (self.topics.borrow(), self.batcher.borrow_mut());
        let times = topics.iter().enumerate().map(|(topic, name)| {
            let settings = settings.get(name);
            let bytes_max = settings.and_then(|it| it.message_bytes_max);
            batcher.set_message_bytes_max(topic, bytes_max);
            settings.map(|it| it.times).unwrap_or_default()
        });
        self.times.replace(times.collect());
    }
}
