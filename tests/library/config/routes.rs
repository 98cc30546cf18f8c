//! Where models answer: the prefix of all routes, and what can be listed without being served.

use ringest::{config::Config, route::RouteTable};

use super::{LEAST, Place, errors, good};

fn with_prefix(prefix: &str) -> String {
    LEAST.replace("[auth]", &format!("path_prefix = {prefix:?}\n[auth]"))
}

#[test]
fn every_route_is_below_the_prefix() {
    let routes = good(&with_prefix("/api/v1"), &[]).routes();
    assert_eq!(routes.routes()[0].path, "/api/v1/ingest/Event/1.0");
    assert!(routes.find(b"/API/v1/ingest/event").is_some());
    assert!(routes.find(b"/ingest/event").is_none());
    let routes = good(&with_prefix(""), &[("RINGEST_LISTEN__PATH_PREFIX", "/x")]).routes();
    assert_eq!(routes.routes()[0].path, "/x/ingest/Event/1.0");
}

#[test]
fn a_prefix_is_a_path_of_a_bounded_length() {
    let longest = format!("/{}", "p".repeat(RouteTable::PREFIX_BYTES_MAX - 1));
    assert_eq!(
        good(&with_prefix(&longest), &[]).listen.path_prefix,
        longest
    );
    for prefix in ["/", "api", "/api/", "/a b", "/a//b", &format!("{longest}p")] {
        let errors = errors(&with_prefix(prefix));
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        // A long value is shown by its start.
        let shown = &prefix[..prefix.len().min(40)];
        let place = format!("ringest.toml:3: listen.path_prefix: \"{shown}");
        assert!(error.starts_with(&place), "{error}");
        let allowed = "is not allowed: \"\", or a path such as \"/api\" without a slash at its end, \
                       of at most 128 bytes";
        assert!(error.ends_with(allowed), "{error}");
    }
}

#[test]
fn routes_can_be_listed_before_anyone_has_decided_who_may_send() {
    let undecided = "[kafka]\n\"bootstrap.servers\" = \"localhost:9092\"\n";
    let place = Place::new(undecided);
    assert!(place.errors(&[])[0].starts_with("ringest.toml: auth.mode: "));
    let config = Config::load_to_inspect(&place.file(), std::iter::empty());
    let routes = config.expect("a list").routes();
    assert_eq!(routes.routes()[0].path, "/ingest/Event/1.0");

    // What was decided is judged as ever.
    for (mode, told) in [
        ("required", "auth.mode: \"required\""),
        ("none", "listen.address: "),
    ] {
        let decided = format!("[auth]\nmode = {mode:?}\n{undecided}");
        let place = Place::new(&decided);
        let errors = Config::load_to_inspect(&place.file(), std::iter::empty());
        let errors = errors.expect_err("it can't be served").to_string();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(told), "{errors}");
    }
}
