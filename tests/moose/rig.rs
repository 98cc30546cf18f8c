//! A ringest with all models of the table, and topics to read back from.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    support::{cluster::Cluster, http::Http, mock::Mock, ringest::Ringest},
    table::{self, Disagreement, Row},
};

/// Connections that are used at the same time.
const CLIENTS: usize = 4;

/// The table, and a server to put it to.
pub(crate) struct Rig {
    ringest: Ringest,
    cluster: Cluster,
    _mock: Mock,
    /// The models' texts by their names.
    models: BTreeMap<String, String>,
    /// The rows of each model, in the order of the table.
    rows: BTreeMap<String, Vec<Row>>,
}

/// One model of it.
pub(crate) struct Part<'r> {
    pub(crate) rows: &'r [Row],
    /// Where its records are posted.
    pub(crate) path: &'r str,
    /// A connection of its own.
    pub(crate) http: Http,
    topic: &'r str,
    cluster: &'r Cluster,
}

impl Rig {
    /// `change` may make the text of each model say something else.
    pub(crate) fn start(change: impl Fn(&str) -> String) -> Self {
        let mock = Mock::start(1);
        let brokers = mock.brokers();
        // A fetch that finds nothing new is answered that late.
        let client = [
            ("bootstrap.servers", brokers.as_str()),
            ("fetch.wait.max.ms", "5"),
        ];
        let mut builder = Ringest::builder(&brokers);
        let models = table::models();
        // The mock creates a topic when it is first asked for.
        for model in models.values() {
            builder = builder.model_file(&change(model));
        }
        let mut rows = BTreeMap::<_, Vec<_>>::new();
        for row in table::rows() {
            rows.entry(row.model.clone()).or_default().push(row);
        }
        Self {
            ringest: builder.start(),
            cluster: Cluster::new(&client).ephemeral(),
            _mock: mock,
            models,
            rows,
        }
    }

    /// Several clients take one model after the other. What they return is gathered.
    pub(crate) fn for_each_model<'r>(
        &'r self,
        test: impl Fn(&mut Part<'r>) -> Vec<Disagreement<'r>> + Sync,
    ) -> Vec<Disagreement<'r>> {
        let (ringest, cluster, models) = (&self.ringest, &self.cluster, &self.models);
        let waiting = Mutex::new(self.rows.iter());
        let next = || {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.next()
        };
        let client = || {
            let mut gathered = Vec::new();
            while let Some((name, rows)) = next() {
                gathered.extend(test(&mut Part {
                    rows,
                    path: &rows[0].path,
                    http: ringest.connect(),
                    topic: topic(&models[name]),
                    cluster,
                }));
            }
            gathered
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let clients = clients.into_iter();
            clients
                .flat_map(|client| client.join().expect("the client said why"))
                .collect()
        })
    }
}

impl Part<'_> {
    /// Panics unless the topic, which may have several partitions, holds these records, byte for
    /// byte, and no others.
    pub(crate) fn assert_topic_holds(&self, sent: &[&[u8]]) {
        let (topic, mut read, mut sent) =
            (self.topic, self.cluster.read(self.topic), sent.to_vec());
        read.sort_unstable();
        sent.sort_unstable();
        let differs = read.iter().zip(&sent).find(|(read, sent)| read != *sent);
        if let Some((read, sent)) = differs {
            let (read, sent) = (read.escape_ascii(), sent.escape_ascii());
            panic!("{topic} has {read}\nfor {sent}");
        }
        assert_eq!(read.len(), sent.len(), "records of {topic}");
    }
}

/// The topic that a model's file names.
fn topic(model: &str) -> &str {
    let lines = model.lines();
    let mut topics = lines.filter_map(|line| line.strip_prefix("topic = \"")?.strip_suffix('"'));
    topics
        .next()
        .expect("every model of the table names its topic")
}
