//! From a path to a route.

use proptest::prelude::*;

use super::*;
use crate::model::Version;

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
fn each_topic_has_one_index() {
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
    let names: Vec<_> = table.topics().iter().map(|name| &**name).collect();
    assert_eq!(names, ["a", "dead", "b", "c", "d", "lost"]);
    let routes = table.routes().iter();
    let indices: Vec<_> = routes.map(|it| (it.topic, it.dead_letter_topic)).collect();
    assert_eq!(
        indices,
        [(0, Some(1)), (2, None), (3, Some(1)), (4, Some(5))]
    );
    let routes = table.routes().iter();
    let prefixes: Vec<_> = routes.map(|it| (it.schema_prefix, it.headroom())).collect();
    let none = (None, 0);
    assert_eq!(prefixes, [none, (Some([0, 0, 0, 1, 2]), 5), none, none]);
}

#[test]
fn topics_keep_their_index_in_the_tables_to_come() {
    let models = |topics: &[&str]| {
        let models = topics.iter().enumerate().map(|(index, topic)| {
            let version = "1".parse().expect("a version");
            Arc::new(Model::untyped(&format!("Model{index}"), version, topic))
        });
        models.collect::<Vec<_>>()
    };
    let first = RouteTable::new(&models(&["a", "b"]));
    assert_eq!(first.topics_left(), 0);
    let second = first.succeeded_by("/api", &models(&["c", "b"]));
    let third = second.succeeded_by("", &models(&["a", "c", "c"]));
    let table = |table: &RouteTable| {
        let names = table.topics().iter().map(ToString::to_string);
        let of_routes = table.routes().iter().map(|route| route.topic);
        (names.collect::<Vec<_>>().join(" "), of_routes.collect())
    };
    assert_eq!(table(&first), ("a b".to_owned(), vec![0, 1]));
    assert_eq!(table(&second), ("a b c".to_owned(), vec![2, 1]));
    assert_eq!(table(&third), ("a b c".to_owned(), vec![0, 2, 2]));
    assert_eq!((second.topics_left(), third.topics_left()), (1, 1));
    assert_eq!(second.routes()[0].path, "/api/ingest/Model0/1");
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
fn a_route_is_found_whatever_was_likely() {
    let table = sample();
    let same = |path: &[u8]| {
        let expected = table.find(path).map(|route| route.index);
        for likely in 0..=table.routes().len() {
            let route = table.find_likely(likely, path);
            let path = path.escape_ascii();
            assert_eq!(route.map(|route| route.index), expected, "{path}, {likely}");
        }
    };
    let declared = table.routes().iter().map(|route| route.path.as_bytes());
    for path in declared.chain([&b"/ingest/User"[..], b"/ingest/none", b""]) {
        same(path);
        for place in 0..path.len() {
            let (start, rest) = path.split_at(place);
            for byte in 0..=u8::MAX {
                same(&[start, &[byte], &rest[1..]].concat());
                same(&[start, &[byte], rest].concat());
            }
            same(&[start, &rest[1..]].concat());
            same(&[start, format!("%{:02x}", rest[0]).as_bytes(), &rest[1..]].concat());
        }
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

/// `table`, where a third text is a path of its own.
fn with_paths(models: &[(&str, &str, &str)]) -> Vec<Arc<Model>> {
    let models = models.iter().map(|(name, version, path)| {
        let version = version.parse().expect("a version");
        Arc::new(Model {
            path: Some(*path).filter(|it| !it.is_empty()).map(str::to_owned),
            ..Model::untyped(name, version, "topic")
        })
    });
    models.collect()
}

#[test]
fn a_path_of_its_own_stands_in_place_of_the_usual_one() {
    let models = with_paths(&[
        ("Click", "1", "/events/Clicks"),
        ("Click", "0.9", ""),
        ("View", "2", "/view"),
    ]);
    let table = RouteTable::new(&models);
    let listed = table
        .routes()
        .iter()
        .map(|it| (it.path.as_str(), it.latest));
    assert_eq!(
        listed.collect::<Vec<_>>(),
        [
            ("/events/Clicks", false),
            ("/ingest/Click/0.9", true),
            ("/view", false)
        ]
    );
    for (path, index) in [
        ("/events/Clicks", Some(0)),
        ("/EVENTS/clicks/", Some(0)),
        ("/events/%63licks", Some(0)),
        ("/ingest/Click/1", None),
        // The highest version of those that answer below /ingest.
        ("/ingest/Click", Some(1)),
        ("/view", Some(2)),
        ("/ingest/View", None),
        ("/ingest/View/2", None),
        ("/events/clicks//", None),
        ("/events%2fclicks", None),
        ("/events", None),
    ] {
        assert_eq!(found(&table, path), index, "{path}");
    }
}

#[test]
fn every_route_is_below_the_prefix() {
    let models = with_paths(&[("Click", "1", "/clicks"), ("View", "2", "")]);
    let table = RouteTable::below("/Api/v2", &models);
    let paths: Vec<_> = table.routes().iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/Api/v2/clicks", "/Api/v2/ingest/View/2"]);
    for (path, index) in [
        ("/api/V2/clicks/", Some(0)),
        ("/Api/v2/ingest/View/2", Some(1)),
        ("/api/v2/ingest/view", Some(1)),
        ("/clicks", None),
        ("/ingest/View", None),
        ("/Api/v2", None),
        ("/Api/v2/Api/v2/clicks", None),
    ] {
        assert_eq!(found(&table, path), index, "{path}");
    }
}

#[test]
fn the_longest_prefix_and_path_are_found() {
    let prefix = format!("/{}", "p".repeat(RouteTable::PREFIX_BYTES_MAX - 1));
    let path = format!("/{}", "x".repeat(Model::PATH_BYTES_MAX - 1));
    let table = RouteTable::below(&prefix, &with_paths(&[("Click", "1", &path)]));
    assert_eq!(found(&table, &format!("{prefix}{path}")), Some(0));
    assert_eq!(found(&table, &format!("{prefix}{path}x")), None);
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
    fn below_any_prefix_the_same_routes_are_found(
        models in models(),
        prefix in "(/[abAB1.~]{1,3}x){0,2}",
        path in "(/ingest/[abAB]{1,2}/|/)([abAB]|[0-2]|/|\\.|%4[12]){0,6}",
        choices in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let models: Vec<_> = models.iter().map(|(a, b)| (a.as_str(), b.as_str(), "")).collect();
        let models = with_paths(&models);
        let (plain, below) = (RouteTable::new(&models), RouteTable::below(&prefix, &models));
        let prefixed = disguised(&prefix, &choices) + &path;
        prop_assert_eq!(found(&below, &prefixed), found(&plain, &path), "{}", prefixed);
        for route in plain.routes() {
            let path = disguised(&format!("{prefix}{}", route.path), &choices);
            prop_assert_eq!(found(&below, &path), Some(route.index), "{}", path);
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
