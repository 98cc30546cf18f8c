//! The cost of each stage: head, route, decompression, prefix, enqueue, response. Validation has its own benchmark.

#[path = "fixtures/answers.rs"]
mod answers;
#[path = "fixtures/bodies.rs"]
mod bodies;
#[path = "../tests/support/compress.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod compress;
#[path = "fixtures/head.rs"]
mod head;
#[path = "fixtures/settings.rs"]
mod settings;
#[path = "fixtures/sink.rs"]
mod sink;

use std::hint::black_box;

use answers::{form, outcomes};
use bodies::{EVENT, array, nested};
use compress::compress;
use criterion::{Criterion, Throughput};
use head::{HEAD, of_another_client};
use ringest::{
    admission::Holder,
    http::{Coding, HeadLimits, HeadParser, IdleDecoders},
    model::{Rules, schema_prefix},
    produce::Payloads,
    response::Responses,
    validate::{Format, Validator},
};
use sink::{LIMITS, PATH, Sink};

fn head(criterion: &mut Criterion) {
    let limits = HeadLimits {
        head_bytes_max: 16_384,
        headers_max: 100,
    };
    let mut parser = HeadParser::new(limits);
    let mut group = criterion.benchmark_group("head");
    group.throughput(Throughput::Bytes(HEAD.len() as u64));
    let (same, other) = (HEAD.to_owned(), of_another_client());
    for (name, heads) in [("first", [&same, &other]), ("again", [&same, &same])] {
        let mut heads = heads.into_iter().cycle();
        group.bench_function(format!("{} B, {name}", HEAD.len()), |bencher| {
            bencher.iter(|| {
                parser.reset();
                parser.parse(black_box(heads.next().expect("endless").as_bytes()))
            });
        });
    }
    group.finish();
}

fn route(criterion: &mut Criterion) {
    let routes = sink::routes();
    let mut group = criterion.benchmark_group("route");
    for path in [PATH, "/ingest/Event99", "/ingest/Unknown/1.0"] {
        group.bench_function(path, |bencher| {
            bencher.iter(|| routes.find(black_box(path.as_bytes())).map(|it| it.index));
        });
    }
    group.bench_function("that of the request before", |bencher| {
        let path = PATH.as_bytes();
        bencher.iter(|| {
            routes
                .find_likely(black_box(0), black_box(path))
                .map(|it| it.index)
        });
    });
    group.finish();
}

/// So many events whose identifiers, times and numbers differ, as those that clients compress do.
fn varied(count: u64) -> Vec<String> {
    let mut state = 1_u64;
    let mut random = move || {
        // Knuth's MMIX generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    };
    let event = |number| {
        let (id, user) = (random(), random() % 1_000_000);
        let place = random() % 1_000_000;
        EVENT
            .replace("5e2c8a41b7d6", &format!("{:012x}", id & 0xffff_ffff_ffff))
            .replace("4b1e", &format!("{:04x}", number & 0xffff))
            .replace(
                "15:30.123",
                &format!("15:{:02}.{:03}", number / 1_000, number % 1_000),
            )
            .replace("184467", &format!("{user:06}"))
            .replace("1250", &format!("{}", 1_000 + random() % 9_000))
            .replace("520008", &format!("{place:06}"))
            .replace("404954", &format!("{:06}", random() % 1_000_000))
    };
    (0..count).map(event).collect()
}

/// Bodies of events that differ, to memory that is there already.
fn decompress(criterion: &mut Criterion) {
    let decoders = IdleDecoders::default();
    let mut output = vec![0; 1 << 20];
    let mut group = criterion.benchmark_group("decompress");
    let ten_kib = format!("{{\"events\":[{}]}}", varied(34).join(","));
    let thousand = format!("[{}]", varied(1_000).join(","));
    for (name, body, records) in [("10 KiB", ten_kib, 1), ("array of 1000", thousand, 1_000)] {
        group.throughput(Throughput::Elements(records));
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            let compressed = compress(coding, body.as_bytes());
            let name = format!("{name}, {} B of {coding:?}", compressed.len());
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let mut decoder = decoders.take(coding).expect("memory");
                    let (mut consumed, mut produced) = (0, 0);
                    while decoder.finish().is_err() {
                        let input = black_box(&compressed[consumed..]);
                        let input = &input[..input.len().min(4 << 10)];
                        let room = &mut output[produced..][..64 << 10];
                        let progress = decoder.decode(input, room).expect("it is valid");
                        consumed += progress.consumed;
                        produced += progress.produced;
                    }
                    assert_eq!(produced, body.len());
                    decoders.give_back(decoder);
                });
            });
        }
    }
    group.finish();
}

fn enqueue(criterion: &mut Criterion, sink: &Sink) {
    let mut group = criterion.benchmark_group("enqueue");
    let bodies = [
        ("293 B", EVENT.to_owned(), 1_000),
        ("1 KiB", nested(1 << 10), 1_000),
        ("10 KiB", nested(10 << 10), 250),
        ("array of 1000", array(EVENT), 4),
    ];
    for (name, body, at_once) in bodies {
        let mut validator = Validator::new(LIMITS);
        let records = validator
            .validate(body.as_bytes(), Format::Json, &Rules::any())
            .expect("valid");
        let route = &sink.routes.routes()[0];
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let prepare = || sink.body(body.as_bytes());
                sink.time(count, at_once, prepare, |body| {
                    sink.enqueue(route, body, &records)
                })
            });
        });
    }
    group.finish();
}

/// The cost of prepending a schema prefix: in place before the only record of a body, or by copying
/// several records.
fn prefix(criterion: &mut Criterion, sink: &Sink) {
    let mut group = criterion.benchmark_group("prefix");
    let prefix = schema_prefix(7);
    let mut validator = Validator::new(LIMITS);
    let body = array(EVENT);
    let records = validator
        .validate(body.as_bytes(), Format::Json, &Rules::any())
        .expect("valid");
    let (pool, admission) = (&sink.pool, &sink.admission);
    let permit = admission.admit(Holder::UNKNOWN, 1).expect("room");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("array of 1000, copied", |bencher| {
        bencher.iter(|| {
            let body = black_box(body.as_bytes());
            Payloads::prefixed_copies(prefix, body, &records, pool, &permit)
        });
    });
    let mut request = sink.received(&[HEAD.as_bytes(), EVENT.as_bytes()].concat());
    group.throughput(Throughput::Elements(1));
    group.bench_function("293 B, in place", |bencher| {
        bencher.iter(|| {
            let place = HEAD.len()..request.filled();
            let permit = admission.admit(Holder::UNKNOWN, 1).expect("room");
            Payloads::prefixed_in_place(prefix, &mut request, black_box(place), permit)
        });
    });
    group.finish();
}

fn answer(criterion: &mut Criterion, sink: &Sink) {
    let (responses, form) = (Responses::new(), form());
    let outcomes = outcomes(sink);
    let mut output = Vec::new();
    let mut group = criterion.benchmark_group("answer");
    for (name, outcome) in &outcomes {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                output.clear();
                responses.write(black_box(outcome), form, &mut output);
                output.len()
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = settings::criterion();
    let sink = Sink::open();
    head(&mut criterion);
    route(&mut criterion);
    decompress(&mut criterion);
    enqueue(&mut criterion, &sink);
    prefix(&mut criterion, &sink);
    answer(&mut criterion, &sink);
    criterion.final_summary();
}
