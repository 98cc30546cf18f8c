//! From a request's path to a route: one hash look-up, no allocation.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::RandomState;

use crate::model::{Model, Schema, SchemaPrefix, is_latest, path, paths, schema_prefix};

/// The longest path that a route can have, in bytes.
const PATH_BYTES_MAX: usize = RouteTable::PREFIX_BYTES_MAX + Model::PATH_BYTES_MAX;

/// One entry of the route table.
#[derive(Debug)]
pub struct Route {
    /// Where its metrics are: 0..routes, in the order of the models.
    pub index: usize,
    /// What is expected and where it goes.
    pub model: Arc<Model>,
    /// The whole path as declared: the prefix of all routes, then the model's own path or
    /// `/ingest/<name>/<version>`.
    pub path: String,
    /// Whether `/ingest/<name>` (below the prefix) leads here as well.
    pub latest: bool,
    /// What its records go with to the topic. None yet where the schema is known by its name only:
    /// the registry is asked before serving begins.
    pub schema_prefix: Option<SchemaPrefix>,
    /// Which of the [topics](RouteTable::topics) its records go to.
    pub topic: usize,
    /// Which of them its dead letters go to.
    pub dead_letter_topic: Option<usize>,
}

impl Route {
    /// Bytes before a body that its only record's prefix may need.
    pub fn headroom(&self) -> usize {
        self.schema_prefix.map_or(0, |prefix| prefix.len())
    }
}

/// All routes, and the way from a path to one of them.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// Lower-case paths to places in `routes`.
    by_path: HashMap<Box<[u8]>, usize, RandomState>,
    /// The length of the longest path in `by_path`.
    path_bytes_max: usize,
    /// What routes name by index.
    topics: Vec<Arc<str>>,
}

impl RouteTable {
    /// The longest prefix of all routes, in bytes.
    pub const PREFIX_BYTES_MAX: usize = 128;

    /// A route for each model. No two may have the same name (case aside) and equal versions, or
    /// answer at the same path; [`crate::config::Config`] sees to that.
    pub fn new(models: &[Arc<Model>]) -> Self {
        Self::below("", models)
    }

    /// As [`RouteTable::new`], each path after a prefix: `""`, or one such as `/api`, which is
    /// a path ([`crate::model::is_path`]) and of at most [`RouteTable::PREFIX_BYTES_MAX`] bytes.
    pub fn below(prefix: &str, models: &[Arc<Model>]) -> Self {
        Self::with_topics(Vec::new(), prefix, models)
    }

    /// The table that takes the place of this one while requests are still served by it: a topic
    /// that this one knows has the same index there, also if no route leads to it any more.
    #[must_use]
    pub fn succeeded_by(&self, prefix: &str, models: &[Arc<Model>]) -> Self {
        Self::with_topics(self.topics.clone(), prefix, models)
    }

    fn with_topics(topics: Vec<Arc<str>>, prefix: &str, models: &[Arc<Model>]) -> Self {
        let mut topics = Topics::new(topics);
        let routes = models.iter().enumerate().map(|(index, model)| Route {
            index,
            path: format!("{prefix}{}", path(model)),
            latest: is_latest(model, models),
            schema_prefix: match model.schema {
                Some(Schema::Id(id)) => Some(schema_prefix(id)),
                Some(Schema::Subject { .. }) | None => None,
            },
            topic: topics.index(&model.topic),
            dead_letter_topic: (model.dead_letter_topic.as_ref()).map(|name| topics.index(name)),
            model: Arc::clone(model),
        });
        let routes: Vec<Route> = routes.collect();
        let mut by_path: HashMap<Box<[u8]>, usize, RandomState> = HashMap::default();
        let paths = paths(models).map(|(path, index)| (format!("{prefix}{path}"), index));
        for (path, index) in paths {
            by_path.insert(path.to_ascii_lowercase().into_bytes().into(), index);
        }
        let longest = by_path.keys().map(|path| path.len()).max();
        Self {
            routes,
            by_path,
            // A model that was not read from a file could be longer: it is never found then.
            path_bytes_max: longest.unwrap_or_default().min(PATH_BYTES_MAX),
            topics: topics.names,
        }
    }

    /// All of them, each at its index.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Each topic once, for records or dead letters, those of the tables before this one included.
    pub fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// How many of them no route leads to any more.
    pub fn topics_left(&self) -> usize {
        let routes = self.routes.iter();
        let used = routes.flat_map(|route| [Some(route.topic), route.dead_letter_topic]);
        let used: HashSet<usize> = used.flatten().collect();
        self.topics.len() - used.len()
    }

    /// The route of a request target's path (the query left out): case makes no difference, one
    /// slash at the end is ignored, percent-encoding (RFC 3986, section 2.1) is decoded once. An
    /// encoded slash never separates, and a malformed encoding, a dot segment or a double slash is
    /// no route.
    pub fn find(&self, target_path: &[u8]) -> Option<&Route> {
        let mut rest = target_path.strip_suffix(b"/").unwrap_or(target_path);
        let mut buffer = [0; PATH_BYTES_MAX];
        let mut length = 0;
        while let [first, after @ ..] = rest {
            if length == self.path_bytes_max {
                return None;
            }
            let (byte, after) = match (*first, after) {
                (b'%', [high, low, after @ ..]) => (decoded(*high, *low)?, after),
                (b'%', _) => return None,
                (byte, after) => (byte, after),
            };
            buffer[length] = byte.to_ascii_lowercase();
            length += 1;
            rest = after;
        }
        let index = self.by_path.get(&buffer[..length])?;
        self.routes.get(*index)
    }
}

/// Topics while they are numbered.
struct Topics {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Topics {
    /// With these, which are not there twice.
    fn new(names: Vec<Arc<str>>) -> Self {
        let numbered = names.iter().cloned().zip(0..);
        Self {
            by_name: numbered.collect(),
            names,
        }
    }

    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let (name, index) = (Arc::from(name), self.names.len());
        self.names.push(Arc::clone(&name));
        self.by_name.insert(name, index);
        index
    }
}

/// The byte that two hexadecimal digits stand for; `None` for a slash, which would separate.
fn decoded(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    let byte = digit(high)? << 4 | digit(low)?;
    (byte != b'/').then_some(byte)
}

#[cfg(test)]
mod tests;
