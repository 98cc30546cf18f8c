use std::sync::Arc;

use super::*;
use crate::model::{Model, Schema};

fn config(environment: &[(&str, &str)]) -> Config {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(owned);
    Config::development("127.0.0.1:1", None, environment).expect("it is good")
}

#[test]
fn what_can_be_changed_is_and_the_rest_is_named() {
    let running = config(&[("RINGEST_WORKERS", "2")]);
    let mut new = config(&[
        ("RINGEST_WORKERS", "1"),
        ("RINGEST_LISTEN__PATH_PREFIX", "/api"),
        ("RINGEST_LISTEN__UNAUTHENTICATED_NETWORK", "true"),
        ("RINGEST_LIMITS__BODY_BYTES_MAX", "1000"),
        ("RINGEST_SCHEMA_REGISTRY__URL", "http://127.0.0.1:1"),
        ("RINGEST_TIMEOUTS__ACK_TIMEOUT_MS", "10000"),
        ("RINGEST_LOG__FILTER", "debug"),
        ("RINGEST_LOG__REQUESTS", "sampled"),
        ("RINGEST_KAFKA__SASL_PASSWORD", "s3cret"),
        ("RINGEST_KAFKA__LINGER_MS", "7"),
    ]);
    new.models.pop();
    let (config, restart) = running.reloaded(new.clone()).expect("it is good");
    // The deadline is set to its default; only names are reported.
    let expected = ["kafka.linger.ms", "limits.body_bytes_max", "workers"];
    assert_eq!(restart, expected);
    assert_eq!(config.models.len(), new.models.len());
    assert_eq!(config.listen.path_prefix, "/api");
    assert_eq!(config.schema_registry, new.schema_registry);
    assert_eq!(config.workers, running.workers);
    assert_eq!(config.limits, running.limits);
    assert_eq!(config.timeouts, running.timeouts);
    assert_eq!(config.kafka, running.kafka);
    assert_eq!(config.log.filter, new.log.filter);
    assert_eq!(config.log.requests, new.log.requests);
    // They are compared with what is running, however often.
    let (_, again) = config.reloaded(new).expect("it is good");
    assert_eq!(again, restart);
    let (_, none) = config.reloaded(running).expect("it is good");
    assert_eq!(none, Vec::<String>::new());
}

#[test]
fn models_that_need_more_memory_than_there_is_are_refused() {
    let mut running = config(&[("RINGEST_WORKERS", "1")]);
    running.limits.in_flight_bytes_max = 24 << 20;
    let mut new = running.clone();
    let model = Model {
        schema: Some(Schema::Id(1)),
        ..Model::clone(&new.models[0])
    };
    new.models = vec![Arc::new(Model::clone(&new.models[0]))];
    running.reloaded(new.clone()).expect("there is room");
    new.models.push(Arc::new(model));
    let refused = running.reloaded(new).expect_err("a copy of each body");
    let [RestartRequiredError::Memory { max, .. }] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert_eq!(max, "25_165_824");
}

#[test]
fn nobody_is_let_in_at_an_address_that_was_not_looked_at() {
    let at = |mode, address: &str| {
        let mut config = config(&[]);
        config.auth.mode = mode;
        config.listen.address = address.parse().expect("an address");
        config
    };
    let network: ListenAddress = "192.0.2.1:4000".parse().expect("an address");
    let running = at(AuthMode::Required, "192.0.2.1:4000");
    let refused = running.reloaded(at(AuthMode::None, "127.0.0.1:4000"));
    let expected = vec![RestartRequiredError::Unauthenticated(network)];
    assert_eq!(refused.expect_err("it is still reached"), expected);
    // Checked for this very address, or only reachable from this machine.
    for (running, new) in [
        ("192.0.2.1:4000", "192.0.2.1:4000"),
        ("127.0.0.1:4000", "127.0.0.1:5000"),
        ("unix:/run/ingest.sock", "127.0.0.1:5000"),
    ] {
        let reloaded = at(AuthMode::Required, running).reloaded(at(AuthMode::None, new));
        let (config, _) = reloaded.expect("it is good");
        assert_eq!(config.auth.mode, AuthMode::None);
        let (config, _) = config
            .reloaded(at(AuthMode::Required, running))
            .expect("so");
        assert_eq!(config.auth.mode, AuthMode::Required);
    }
}
