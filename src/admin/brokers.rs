//! What the workers know of each broker, together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    metrics::{BrokerMetrics, WorkerMetrics},
    produce::BrokerWatch,
};

/// One broker, over all workers.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// Its host and port, as it names them.
    pub(super) address: Option<Arc<str>>,
    /// Of each worker that has batches for it.
    pub(super) of_workers: Vec<Arc<BrokerMetrics>>,
}

/// Brokers by their `node.id`: those that the cluster has, as far as is known.
pub(super) fn brokers(
    workers: &[Arc<WorkerMetrics>],
    watch: Option<&BrokerWatch>,
) -> BTreeMap<i32, Broker> {
    let known = watch.map(BrokerWatch::brokers).unwrap_or_default();
    let is_known = |id| known.is_empty() || known.contains_key(&id);
    let mut brokers = BTreeMap::<_, Broker>::new();
    for broker in workers.iter().flat_map(|worker| worker.brokers.all()) {
        // One that has left the cluster would have series for as long as the process runs.
        if is_known(broker.id()) {
            brokers
                .entry(broker.id())
                .or_default()
                .of_workers
                .push(broker);
        }
    }
    for (id, address) in known {
        brokers.entry(id).or_default().address = Some(address);
    }
    brokers
}

impl Broker {
    /// Whether it is there and answers every worker in time, and since when, in milliseconds since 1970; `None` before
    /// any has a partition there.
    pub(super) fn state(&self) -> Option<(bool, u64)> {
        let states = || self.of_workers.iter().map(|it| it.state());
        let down_since = states().filter(|(is_up, _)| !is_up).map(|(_, at)| at).min();
        let up_since = states().map(|(_, at)| at).max();
        down_since
            .map(|at| (false, at))
            .or(up_since.map(|at| (true, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_down_where_one_worker_finds_it_so() {
        assert_eq!(Broker::default().state(), None);
        let [first, second] = [1, 1].map(|id| Arc::new(BrokerMetrics::new(id)));
        let both = Broker {
            address: None,
            of_workers: vec![Arc::clone(&first), Arc::clone(&second)],
        };
        let latest = first.state().1.max(second.state().1);
        assert_eq!(both.state(), Some((true, latest)));
        second.set_in_time(false);
        assert_eq!(both.state(), Some((false, second.state().1)));
    }
}
