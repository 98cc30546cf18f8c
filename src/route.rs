//! From a request's path to a route: one hash look-up, no allocation.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::RandomState;
use memchr::memchr;

use crate::{
    model::{Model, Schema, SchemaPrefix, is_latest, path, paths, schema_prefix},
    quota::Bucket,
};

/// The longest path that a route can have, in bytes.
const PATH_BYTES_MAX: usize = RouteTable::PREFIX_BYTES_MAX + Model::PATH_BYTES_MAX;

/// One entry of the route table.
#[derive(Debug)]
pub struct Route {
    /// The index of its metrics: 0..routes, in the order of the models.
    pub index: usize,
    /// The data model of its records.
    pub model: Arc<Model>,
    /// The whole path as declared: the prefix of all routes, then the model's own path or
    /// `/ingest/<name>/<version>`.
    pub path: String,
    /// Whether `/ingest/<name>` (below the prefix) is a path of this route as well.
    pub latest: bool,
    /// The prefix of its records. `None` without a schema, and for a schema named by subject until the
    /// registry has been asked, which is before serving begins.
    pub schema_prefix: Option<SchemaPrefix>,
    /// The index of its records' topic in [`RouteTable::topics`].
    pub topic: usize,
    /// The index of its dead letters' topic.
    pub dead_letter_topic: Option<usize>,
    /// How much it takes of all its clients, if that is limited.
    pub quota: Option<Arc<Bucket>>,
}

impl Route {
    /// Bytes to reserve before a body for the prefix of its only record.
    pub fn headroom(&self) -> usize {
        self.schema_prefix.map_or(0, |prefix| prefix.len())
    }
}

/// All routes, and an index of their paths.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    /// Lower-case paths to indices of `routes`.
    by_path: HashMap<Box<[u8]>, usize, RandomState>,
    /// The length of the longest path in `by_path`.
    path_bytes_max: usize,
    /// The topics that routes refer to by index.
    topics: Vec<Arc<str>>,
}

impl RouteTable {
    /// The longest prefix of all routes, in bytes.
    pub const PREFIX_BYTES_MAX: usize = 128;

    /// A route for each model. No two may have the same name (case aside) and equal versions, or
    /// the same path; [`crate::config::Config`] ensures that.
    pub fn new(models: &[Arc<Model>]) -> Self {
        Self::below("", models)
    }

    /// As [`RouteTable::new`], each path after a prefix: `""`, or one such as `/api`, which is
    /// a path ([`crate::model::is_path`]) and of at most [`RouteTable::PREFIX_BYTES_MAX`] bytes.
    pub fn below(prefix: &str, models: &[Arc<Model>]) -> Self {
        Self::with(Vec::new(), &[], prefix, models)
    }

    /// The table that replaces this one while requests still use this one: a topic of this table has
    /// the same index there, even if no route uses it any more. A route whose path and quota stay the same keeps
    /// what is left of it.
    #[must_use]
    pub fn succeeded_by(&self, prefix: &str, models: &[Arc<Model>]) -> Self {
        Self::with(self.topics.clone(), &self.routes, prefix, models)
    }

    fn with(topics: Vec<Arc<str>>, before: &[Route], prefix: &str, models: &[Arc<Model>]) -> Self {
        let mut topics = Topics::new(topics);
        let before = before
            .iter()
            .filter_map(|route| Some((&*route.path, route.quota.as_ref()?)));
        let before: HashMap<&str, &Arc<Bucket>> = before.collect();
        let whole_path = |model: &Arc<Model>| format!("{prefix}{}", path(model));
        let routes = models.iter().enumerate().map(|(index, model)| Route {
            index,
            path: whole_path(model),
            quota: model.quota.map(|quota| {
                let kept = before
                    .get(&*whole_path(model))
                    .filter(|it| it.quota == quota);
                kept.map_or_else(|| Arc::new(Bucket::new(quota)), |it| Arc::clone(it))
            }),
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
            // A model that was not read from a file could have a longer path, which is never found.
            path_bytes_max: longest.unwrap_or_default().min(PATH_BYTES_MAX),
            topics: topics.names,
        }
    }

    /// All of them, each at its index.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Each topic once, for records or dead letters, including those of the previous tables.
    pub fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// The indices of those that a route uses.
    pub fn topics_used(&self) -> HashSet<usize> {
        let routes = self.routes.iter();
        let used = routes.flat_map(|route| [Some(route.topic), route.dead_letter_topic]);
        used.flatten().collect()
    }

    /// How many of them no route uses any more.
    pub fn topics_left(&self) -> usize {
        self.topics.len() - self.topics_used().len()
    }

    /// The route of a request target's path (the query left out): case makes no difference, one
    /// slash at the end is ignored, percent-encoding (RFC 3986, section 2.1) is decoded once. An
    /// encoded slash is no separator; a path with one, or with a malformed encoding, a dot segment or
    /// a double slash, has no route.
    pub fn find(&self, target_path: &[u8]) -> Option<&Route> {
        let path = target_path.strip_suffix(b"/").unwrap_or(target_path);
        let mut buffer = [0; PATH_BYTES_MAX];
        let path = decode(path, &mut buffer[..self.path_bytes_max])?;
        path.make_ascii_lowercase();
        let index = self.by_path.get(&*path)?;
        self.routes.get(*index)
    }

    /// As [`find`](Self::find), where the path is probably that of the route at the index `likely`, as declared: most
    /// connections have requests for one route.
    pub fn find_likely(&self, likely: usize, target_path: &[u8]) -> Option<&Route> {
        let route = self.routes.get(likely);
        let route = route.filter(|route| route.path.as_bytes() == target_path);
        route.or_else(|| self.find(target_path))
    }
}

/// Topics, each with an index.
struct Topics {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Topics {
    /// With these topics, which have no duplicates.
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

/// The percent-decoded path in `buffer`; `None` where it has no room, or an encoding is malformed.
fn decode<'b>(path: &[u8], buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
    if memchr(b'%', path).is_none() {
        let copy = buffer.get_mut(..path.len())?;
        copy.copy_from_slice(path);
        return Some(copy);
    }
    let (mut rest, mut length) = (path, 0);
    while let [first, after @ ..] = rest {
        let (byte, after) = match (*first, after) {
            (b'%', [high, low, after @ ..]) => (decoded(*high, *low)?, after),
            (b'%', _) => return None,
            (byte, after) => (byte, after),
        };
        *buffer.get_mut(length)? = byte;
        length += 1;
        rest = after;
    }
    Some(&mut buffer[..length])
}

/// The byte that two hexadecimal digits encode; `None` for a slash, which would be a separator.
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
