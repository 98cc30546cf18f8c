//! From a request's path to a route: one hash look-up, no allocation.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use crate::{
    model::{Model, Schema, Version},
    produce::{SchemaPrefix, schema_prefix},
};

/// What every route starts with.
const PREFIX: &str = "/ingest/";

/// The longest path that a route can have, in bytes.
const PATH_BYTES_MAX: usize = PREFIX.len() + Model::NAME_BYTES_MAX + 1 + Version::BYTES_MAX;

/// One entry of the route table.
#[derive(Debug)]
pub struct Route {
    /// Where its metrics and its topic handle are: 0..routes, in the order of the models.
    pub index: usize,
    /// What is expected and where it goes.
    pub model: Arc<Model>,
    /// `/ingest/<name>/<version>` as declared.
    pub path: String,
    /// Whether `/ingest/<name>` leads here as well.
    pub latest: bool,
    /// What its records go with to the topic. None yet where the schema is known by its name only:
    /// the registry is asked before serving begins.
    pub schema_prefix: Option<SchemaPrefix>,
    /// Which of the [topics](RouteTable::topics) its dead letters go to.
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
}

impl RouteTable {
    /// A route for each model. No two may have the same name (case aside) and equal versions;
    /// [`crate::config::Config`] sees to that.
    pub fn new(models: &[Arc<Model>]) -> Self {
        let is_latest = |model: &Model| {
            let same_name = |other: &&Arc<Model>| other.name.eq_ignore_ascii_case(&model.name);
            let mut others = models.iter().filter(same_name);
            others.all(|other| other.version <= model.version)
        };
        let mut dead_letter_topics = models.len()..;
        let routes = models.iter().enumerate().map(|(index, model)| Route {
            index,
            path: format!("{PREFIX}{}/{}", model.name, model.version),
            latest: is_latest(model),
            schema_prefix: match model.schema {
                Some(Schema::Id(id)) => Some(schema_prefix(id)),
                Some(Schema::Subject { .. }) | None => None,
            },
            dead_letter_topic: (model.dead_letter_topic.as_ref())
                .and_then(|_| dead_letter_topics.next()),
            model: Arc::clone(model),
        });
        let routes: Vec<Route> = routes.collect();
        let mut by_path: HashMap<Box<[u8]>, usize, RandomState> = HashMap::default();
        for route in &routes {
            let path = route.path.to_ascii_lowercase();
            by_path.insert(path.into_bytes().into(), route.index);
            if route.latest {
                let path = format!("{PREFIX}{}", route.model.name).to_ascii_lowercase();
                by_path.insert(path.into_bytes().into(), route.index);
            }
        }
        let longest = by_path.keys().map(|path| path.len()).max();
        Self {
            routes,
            by_path,
            // A model that was not read from a file could be longer: it is never found then.
            path_bytes_max: longest.unwrap_or_default().min(PATH_BYTES_MAX),
        }
    }

    /// All of them, each at its index.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The topic of each route, by its index, and behind them those for dead letters.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let topics = self.routes.iter().map(|route| route.model.topic.as_str());
        let models = self.routes.iter().map(|route| &route.model);
        topics.chain(models.filter_map(|model| model.dead_letter_topic.as_deref()))
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(models: &[(&str, &str)]) -> RouteTable {
        let models = models.iter().map(|(name, version)| {
            let version = version.parse().expect("a version");
            Arc::new(Model::untyped(name, version, "topic"))
        });
        RouteTable::new(&models.collect::<Vec<_>>())
    }

    fn sample() -> RouteTable {
        table(&[
            ("UserEvent", "1.9"),
            ("UserEvent", "1.10"),
            ("User", "1"),
            ("User-Event_2", "0.0"),
            ("userEVENT", "1.2"),
        ])
    }

    fn found(table: &RouteTable, path: &str) -> Option<usize> {
        table.find(path.as_bytes()).map(|route| route.index)
    }

    #[test]
    fn routes_are_in_the_order_of_the_models() {
        let table = sample();
        let paths: Vec<_> = table.routes().iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths[0], "/ingest/UserEvent/1.9");
        assert_eq!(paths[4], "/ingest/userEVENT/1.2");
        let latest: Vec<_> = table.routes().iter().map(|it| it.latest).collect();
        assert_eq!(latest, [false, true, true, true, false]);
        assert!(
            table
                .routes()
                .iter()
                .enumerate()
                .all(|(at, it)| at == it.index)
        );
    }

    #[test]
    fn dead_letters_have_topics_behind_those_of_the_routes() {
        let model = |topic: &str, dead_letter_topic: Option<&str>, schema| {
            let version = "1".parse().expect("a version");
            Arc::new(Model {
                dead_letter_topic: dead_letter_topic.map(str::to_owned),
                schema,
                ..Model::untyped(topic, version, topic)
            })
        };
        let subject = Schema::Subject {
            subject: "d-value".to_owned(),
            version: None,
        };
        let table = RouteTable::new(&[
            model("a", Some("dead"), None),
            model("b", None, Some(Schema::Id(258))),
            model("c", Some("dead"), None),
            model("d", Some("lost"), Some(subject)),
        ]);
        let topics: Vec<_> = table.topics().collect();
        assert_eq!(topics, ["a", "b", "c", "d", "dead", "dead", "lost"]);
        let routes = table.routes().iter();
        let indices: Vec<_> = routes.map(|route| route.dead_letter_topic).collect();
        assert_eq!(indices, [Some(4), None, Some(5), Some(6)]);
        let routes = table.routes().iter();
        let prefixes: Vec<_> = routes.map(|it| (it.schema_prefix, it.headroom())).collect();
        let none = (None, 0);
        assert_eq!(prefixes, [none, (Some([0, 0, 0, 1, 2]), 5), none, none]);
    }

    #[test]
    fn what_is_a_route() {
        let table = sample();
        for (path, index) in [
            ("/ingest/UserEvent/1.9", 0),
            ("/ingest/UserEvent/1.10", 1),
            ("/ingest/userevent", 1),
            ("/INGEST/USEREVENT/1.9/", 0),
            ("/ingest/UserEvent/", 1),
            ("/ingest/User", 2),
            ("/ingest/User/1", 2),
            ("/ingest/UserEvent/1.2", 4),
            ("/ingest/user%2Devent%5f2", 3),
            ("/%69ngest/%55serEvent/1%2e9", 0),
        ] {
            assert_eq!(found(&table, path), Some(index), "{path}");
        }
    }

    #[test]
    fn what_is_no_route() {
        let table = sample();
        for path in [
            "",
            "/",
            "//",
            "/ingest",
            "/ingest/",
            "ingest/User",
            "/ingest/Use",
            "/ingest/User1",
            "/ingest/UserEvent/1.1",
            "/ingest/UserEvent/1.90",
            "/ingest/UserEvent/01.9",
            "/ingest/UserEvent/1.9//",
            "/ingest/User//",
            "/ingest//User",
            "//ingest/User",
            "/ingest/./User",
            "/ingest/x/../User",
            "/ingest/%2e/User",
            "/ingest%2fUser",
            "/ingest/User%2F1",
            "/ingest/User%2F",
            "/ingest/User%",
            "/ingest/User%5",
            "/ingest/User%zz",
            "/ingest/%2555ser",
            "/ingest/User%00",
            "/ingest/User?x=1",
            "/ingest/UserEvent/1.10/x",
        ] {
            assert_eq!(found(&table, path), None, "{path}");
        }
    }

    #[test]
    fn the_longest_path_is_found_and_a_longer_one_is_not() {
        let name = "n".repeat(Model::NAME_BYTES_MAX);
        let version = "1".repeat(Version::BYTES_MAX);
        let table = table(&[(&name, &version)]);
        let path = format!("/ingest/{name}/{version}");
        let encoded: String = path.bytes().fold(String::new(), |path, byte| match byte {
            b'/' => path + "/",
            byte => path + &format!("%{byte:02x}"),
        });
        assert_eq!(found(&table, &path), Some(0));
        assert_eq!(found(&table, &format!("{path}/")), Some(0));
        assert_eq!(found(&table, &encoded), Some(0));
        assert_eq!(found(&table, &format!("{path}1")), None);
        assert_eq!(found(&table, &"/".repeat(1 << 16)), None);
        assert_eq!(found(&self::table(&[]), "/ingest/x"), None);
    }

    /// The same rules over strings, slowly.
    fn slowly(table: &RouteTable, path: &str) -> Option<usize> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = path.split('/').map(|segment| {
            let mut parts = segment.split('%');
            let mut decoded = parts.next()?.to_owned();
            for part in parts {
                let digits = part
                    .get(..2)
                    .filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
                decoded.push(char::from(u8::from_str_radix(digits?, 16).ok()?));
                decoded.push_str(&part[2..]);
            }
            // A slash that was encoded is a letter of its segment, and no name has one.
            Some(decoded.to_lowercase())
        });
        let segments: Vec<String> = segments.collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let route = |name: &str, version: Option<&str>| {
            let named = |it: &&Route| it.model.name.to_lowercase() == name;
            let mut named = table.routes().iter().filter(named);
            match version {
                Some(version) => named.find(|it| it.model.version.as_str() == version),
                None => named.max_by(|a, b| a.model.version.cmp(&b.model.version)),
            }
        };
        match segments[..] {
            ["", "ingest", name] => route(name, None),
            ["", "ingest", name, version] => route(name, Some(version)),
            _ => None,
        }
        .map(|it| it.index)
    }

    /// A character as itself, in the other case, or percent-encoded.
    fn disguised(path: &str, choices: &[u8]) -> String {
        let characters = path.chars().zip(choices.iter().cycle());
        let parts = characters.map(|(character, choice)| match choice % 5 {
            _ if character == '/' => "/".to_owned(),
            0 => character.to_ascii_uppercase().to_string(),
            1 => character.to_ascii_lowercase().to_string(),
            2 => format!("%{:02x}", u32::from(character)),
            3 => format!("%{:02X}", u32::from(character)),
            _ => character.to_string(),
        });
        parts.collect()
    }

    fn models() -> impl Strategy<Value = Vec<(String, String)>> {
        let model = ("[aAbB][a-bA-B0-1_-]{0,3}", "[0-2](\\.(0|1|10))?");
        prop::collection::vec(model, 0..12).prop_map(|mut models| {
            let mut seen = std::collections::HashSet::new();
            models.retain(|(name, version)| seen.insert((name.to_lowercase(), version.clone())));
            models
        })
    }

    proptest! {
        #[test]
        fn a_declared_route_is_found_in_every_disguise(
            models in models(),
            choices in prop::collection::vec(any::<u8>(), 1..40),
            slash in any::<bool>(),
        ) {
            let models: Vec<_> = models.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let table = table(&models);
            for route in table.routes() {
                let end = if slash { "/" } else { "" };
                let path = disguised(&route.path, &choices) + end;
                prop_assert_eq!(found(&table, &path), Some(route.index), "{}", path);
                let path = disguised(&format!("/ingest/{}", route.model.name), &choices) + end;
                prop_assert_eq!(found(&table, &path), slowly(&table, &path), "{}", path);
                prop_assert!(found(&table, &path).is_some());
            }
        }

        #[test]
        fn anything_else_is_as_the_slow_way_says(
            models in models(),
            path in "(/|/ingest/|/ingest/[abAB]{1,2}/|)([abAB]|[0-2]|/|\\.|%2[eEfF5]|%|%4[12]|-|_){0,8}",
        ) {
            let models: Vec<_> = models.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let table = table(&models);
            prop_assert_eq!(found(&table, &path), slowly(&table, &path), "{}", path);
        }
    }
}
