//! Generations of snapshots.

use super::*;

fn config(environment: &[(&str, &str)]) -> Config {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(owned);
    Config::development("127.0.0.1:1", None, environment).expect("it is good")
}

#[test]
fn what_is_counted_of_a_path_goes_on_under_it() {
    let config = config(&[("RINGEST_WORKERS", "2")]);
    let first = Snapshot::first(&config, &[]);
    assert_eq!(first.generation, 0);
    let mut other = config.clone();
    // Two stay, in other places than before.
    other.models.reverse();
    other.models.pop();
    let second = first.succeeded_by(&other, &[]);
    assert_eq!(second.generation, 1);
    assert_eq!(second.metrics.len(), 2);
    for (before, after) in first.metrics.iter().zip(&second.metrics) {
        assert_eq!(after.len(), second.routes.routes().len());
        for route in second.routes.routes() {
            let mut routes = first.routes.routes().iter();
            let place = routes.position(|it| it.path == route.path);
            let place = place.expect("it was there");
            assert!(Arc::ptr_eq(&before[place], &after[route.index]));
        }
    }
    assert!(
        !Arc::ptr_eq(&second.metrics[0][0], &second.metrics[1][0]),
        "each worker has its own"
    );
    other.listen.path_prefix = "/api".to_owned();
    let third = second.succeeded_by(&other, &[]);
    assert!(!Arc::ptr_eq(&second.metrics[0][0], &third.metrics[0][0]));
    assert_eq!(third.routes.topics(), first.routes.topics());
}

#[test]
fn one_that_is_published_is_newer_once() {
    let config = config(&[]);
    let first = Snapshot::first(&config, &[]);
    let second = first.succeeded_by(&config, &[]);
    let published = Published::new(first);
    assert!(published.newer_than(0).is_none());
    assert_eq!(published.publish(second), 1);
    let (generation, newer) = published.newer_than(0).expect("there is one");
    assert_eq!((generation, newer.generation), (1, 1));
    assert!(published.newer_than(1).is_none());
}
