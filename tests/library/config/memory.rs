//! The memory in flight, and the most that a configuration allows.

use ringest::{
    config::InFlightShares,
    validate::{ValidateLimits, Validator},
};

use super::{LEAST, Place, errors, good};

/// What a decoder of gzip takes.
const DECODER: usize = 48 * 1_024;

/// What a decoder of zstd takes at most.
const LARGE_DECODER: usize = (8 << 20) + 576 * 1_024;

/// [`LEAST`] without compressed bodies.
fn uncompressed() -> String {
    LEAST.replace("[listen]\n", "[listen]\ncontent_encodings = []\n")
}

/// The default of `limits.in_flight_bytes_max`.
const IN_FLIGHT: usize = 268_435_456;

#[test]
fn the_share_of_a_worker_must_hold_one_request() {
    let least = uncompressed();
    let limits = |head: usize, body: usize, in_flight: usize| {
        format!(
            "workers = 2\n[limits]\nin_flight_bytes_max = {in_flight}\nbody_bytes_max = {body}\n\
             head_bytes_max = {head}\n{least}"
        )
    };
    // What a request takes: whole MiB above one, powers of two below; a small body stays with its
    // head. While a larger one grows, its last two segments are there.
    for (head, body, memory) in [
        (16_384, 1, 16_384),
        (16_384, 8_192, 16_384),
        (16_384, 16_384, 8_192 + 16_384),
        (16_385, 1, 32_768),
        (16_384, 16_385, 16_384 + 32_768),
        (1_048_576, 16_385, 1_048_576),
        (16_385, 1_000_000, 524_288 + 1_048_576),
        (16_384, 1_048_577, 1_048_576 + 2_097_152),
        (16_384, 10_485_760, 8_388_608 + 10_485_760),
        (16_384, 10_485_761, 8_388_608 + 11_534_336),
    ] {
        let config = good(&limits(head, body, 2 * memory), &[]);
        assert_eq!(config.limits.in_flight_bytes_max, 2 * memory);
        let [error] = &errors(&limits(head, body, 2 * memory - 1))[..] else {
            panic!("one error");
        };
        assert!(
            error.contains(" is too small: each of the 2 workers "),
            "{error}"
        );
    }
    assert_eq!(
        errors(&limits(16_385, 1_000_000, 3_145_727)),
        [
            "ringest.toml:3: limits.in_flight_bytes_max: 3_145_727 is too small: each of the 2 \
             workers must be able to hold one request of up to 1_572_864 bytes (from \
             limits.body_bytes_max = 1_000_000 and limits.head_bytes_max = 16_385); set at least \
             3_145_728, use fewer workers or lower limits.body_bytes_max"
        ]
    );
    let set = ("RINGEST_LIMITS__IN_FLIGHT_BYTES_MAX", "268435456");
    let many = ("RINGEST_WORKERS", "15");
    let errors = Place::new(LEAST).errors(&[set, many]);
    assert_eq!(
        errors.len(),
        1,
        "set to the default, it does not grow: {errors:?}"
    );
}

#[test]
fn the_share_of_a_worker_must_hold_a_decoder() {
    let limits = |codings: &str, in_flight: usize| {
        let listen = format!("[listen]\ncontent_encodings = {codings}\n");
        let least = LEAST.replace("[listen]\n", &listen);
        format!(
            "workers = 2\n[limits]\nin_flight_bytes_max = {in_flight}\nbody_bytes_max = 1_000_000\n{least}"
        )
    };
    for (codings, decoder) in [
        ("[]", 0),
        ("['gzip']", DECODER),
        ("['deflate', 'gzip']", DECODER),
        ("['gzip', 'zstd']", LARGE_DECODER),
    ] {
        let memory = 1_048_576 + 524_288 + decoder;
        let config = good(&limits(codings, 2 * memory), &[]);
        assert_eq!(config.limits.in_flight_bytes_max, 2 * memory);
        let [error] = &errors(&limits(codings, 2 * memory - 1))[..] else {
            panic!("one error");
        };
        let names = error.contains(", and a decoder of ");
        assert_eq!(names, decoder > 0, "{error}");
    }
    let text = format!("[limits]\n{LEAST}")
        .replace("[listen]\n", "[listen]\ncontent_encodings = ['br']\n");
    assert_eq!(
        errors(&text),
        [
            "ringest.toml:3: listen.content_encodings: ['br'] is not allowed: an array of \"gzip\", \
             \"deflate\" and \"zstd\", or [] for none"
        ]
    );
}

#[test]
fn half_is_split_and_the_rest_shared() {
    let least = uncompressed();
    // One request takes 98,304 bytes.
    for (in_flight, of_worker, shared) in [
        (196_608, 98_304, 0),
        (196_609, 98_304, 1),
        (400_000, 100_000, 200_000),
    ] {
        let text = format!(
            "workers = 2\n[limits]\nin_flight_bytes_max = {in_flight}\nbody_bytes_max = 65_536\n{least}"
        );
        let shares = InFlightShares { of_worker, shared };
        assert_eq!(good(&text, &[]).in_flight_shares(), shares);
    }
}

#[test]
fn the_default_grows_with_the_workers() {
    let needed = 18_874_368 + DECODER;
    // 14 workers with 18 MiB each need less than the default, 15 need more.
    for (workers, in_flight) in [
        ("14", IN_FLIGHT),
        ("15", 15 * needed),
        ("1024", 1_024 * needed),
    ] {
        let config = good(LEAST, &[("RINGEST_WORKERS", workers)]);
        assert_eq!(config.limits.in_flight_bytes_max, in_flight, "{workers}");
        assert_eq!(config.memory_max().in_flight, in_flight as u64);
        assert_eq!(
            config.kafka_property("queue.buffering.max.kbytes"),
            Some(&*(in_flight / 1_024).to_string())
        );
    }
}

#[test]
fn the_worst_case_memory_counts_every_worker() {
    let config = good(&format!("workers = 2\n{LEAST}"), &[]);
    let memory = config.memory_max();
    // And 64 more of each worker.
    assert_eq!(memory.connections, (10_000 + 2 * 64) * (16_384 + 5_120));
    assert_eq!(memory.in_flight, 268_435_456);
    let limits = ValidateLimits::from(&config.limits);
    // Of each worker, handle and broker: five batches of a megabyte.
    assert_eq!(memory.requests, 2 * 4 * 3 * 5 * (1_000_000 + 1_024));
    let scratch = Validator::resident_bytes_max(limits, config.limits.body_bytes_max);
    assert_eq!(memory.validation, 2 * scratch as u64);
    // An idle one of gzip, one of deflate, and one that is not in flight yet.
    assert_eq!(memory.decoders, 2 * 3 * DECODER as u64);
    // Ten sizes of segments, 2 MiB of each.
    assert_eq!(memory.kept_segments, 2 * 10 * 2 * 1_048_576);
    // Of each record of each worker: librdkafka's 256 bytes, and the worker's own.
    assert_eq!(memory.producer_queues % (2 * 200_000), 0);
    let of_a_record = memory.producer_queues / (2 * 200_000);
    assert!(
        (256 + 3 * 48..1_024).contains(&of_a_record),
        "{of_a_record}"
    );
    // Verified ones, and hashes of 4,096 rejected ones.
    assert_eq!(memory.credentials, 2 * (8_192 * 1_280 + 65_536));
    assert_eq!(
        memory.total(),
        memory.connections
            + memory.in_flight
            + memory.requests
            + memory.validation
            + memory.decoders
            + memory.credentials
            + memory.kept_segments
            + memory.producer_queues
            + memory.process
    );
    let fewer = good(
        &format!("workers = 2\n[limits]\nconnections_max = 1\nhead_bytes_max = 16_385\n{LEAST}"),
        &[],
    );
    let connections = (1 + 2 * 64) * (32_768 + 5_120);
    assert_eq!(fewer.memory_max().connections, connections);
}

#[test]
fn the_share_of_a_worker_must_hold_what_models_ask_for() {
    const SCHEMA: &str = "schema_id = 1\n";
    const KEY: &str = "partition_key = \"k\"\n";
    const LETTERS: &str = "dead_letter_topic = \"dead\"\n";
    const ACCEPT_VALID: &str = "on_invalid = \"accept_valid\"\n";
    let least = uncompressed();
    let limits = |in_flight: usize| {
        format!(
            "workers = 3\n[limits]\nin_flight_bytes_max = {in_flight}\nbody_bytes_max = 16_000\n{least}"
        )
    };
    // Copies of 5,334 records with 5 bytes more each; a part of the letters, and the largest one.
    let (copies, keys, letters) = (65_536, 16_000, 2_097_152);
    // The errors of a request, and where each invalid record is.
    let lists = 262_144 + 5_334 * 16;
    for (keys_of_models, memory) in [
        (&[SCHEMA][..], 16_384 + copies),
        (&[KEY], 16_384 + keys),
        (&[LETTERS], 16_384 + letters + lists),
        (&[ACCEPT_VALID], 16_384 + lists),
        (
            &[SCHEMA, KEY, LETTERS],
            16_384 + copies + keys + letters + lists,
        ),
    ] {
        let place = |in_flight| {
            let place = Place::new(&limits(in_flight));
            for (number, key) in keys_of_models.iter().enumerate() {
                let model = format!("name = \"M{number}\"\nversion = \"1\"\n{key}");
                place.model(&number.to_string(), &model);
            }
            place
        };
        let config = place(3 * memory).load(&[]).expect("it is enough");
        assert_eq!(config.limits.in_flight_bytes_max, 3 * memory);
        let [error] = &place(3 * memory - 1).errors(&[])[..] else {
            panic!("one error");
        };
        assert!(
            error.contains(" is too small for these models: each of the 3 workers "),
            "{error}"
        );
    }
    // The default grows.
    let place = Place::new(&format!("workers = 100\n{LEAST}"));
    place.model(
        "letters",
        &format!("name = \"L\"\nversion = \"1\"\n{LETTERS}{KEY}"),
    );
    let config = place.load(&[]).expect("good");
    let needed = 100 * (10_485_760 + 10_485_760 + letters + 262_144 + 100_000 * 16);
    assert_eq!(config.limits.in_flight_bytes_max, needed);
}
