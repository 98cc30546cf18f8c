//! The cost of validation without types, with types and for each type, directly and by tape, compared with
//! simd-json's tape of the same bytes alone.

#[path = "fixtures/bodies.rs"]
mod bodies;
#[path = "fixtures/models.rs"]
mod models;
#[path = "fixtures/settings.rs"]
mod settings;

use std::hint::black_box;

use bodies::{EVENT, array, nested};
use criterion::{BenchmarkGroup, Throughput, measurement::WallTime};
use models::{EVENT_FIELDS, TYPES, WIDE, WIDE_FIELDS};
use ringest::model::Rules;
use ringest::validate::{Format, ValidateLimits, Validator};
use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

/// The same event with escapes in a string, of the same length.
fn escaped() -> String {
    let escaped = EVENT.replace("/products/running-shoes", r"\/products\/running-sho");
    assert!(escaped.len() == EVENT.len() && escaped.contains('\\'));
    escaped
}

/// The cost of simd-json's tape, parsed in place where that leaves the bytes unchanged.
fn tape(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &str, format: Format) {
    let (mut buffers, mut kept) = (Buffers::new(body.len()), Tape(Vec::new()));
    let mut padded = [body.as_bytes(), &[b' '; INPUT_PADDING]].concat();
    let lens = match format {
        Format::Json => vec![body.len()],
        Format::Ndjson => body.split_inclusive('\n').map(str::len).collect(),
    };
    group.bench_function(format!("{name}/tape alone"), |bencher| {
        bencher.iter(|| {
            let mut start = 0;
            for len in &lens {
                let mut tape = std::mem::replace(&mut kept, Tape(Vec::new())).reset();
                let text = black_box(&mut padded[start..]);
                fill_tape_padded(text, *len, &mut buffers, &mut tape).expect("valid");
                kept = black_box(tape).reset();
                start += len;
            }
        });
    });
}

fn validate(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    body: &str,
    format: Format,
    rules: &Rules,
) {
    let validators = [
        ("validate", Validator::new(LIMITS)),
        ("validate by tape", Validator::by_tape(LIMITS)),
    ];
    for (way, mut validator) in validators {
        group.bench_function(format!("{name}/{way}"), |bencher| {
            bencher.iter(|| {
                let valid = validator.validate(black_box(body.as_bytes()), format, rules);
                black_box(valid.expect("valid").len())
            });
        });
    }
}

fn main() {
    let mut criterion = settings::criterion();
    let mut group = criterion.benchmark_group("validate");
    let with_empty = EVENT.replace("[\"web\",\"checkout\"]", "[]");
    let lines = |event: &str| vec![event; 1_000].join("\n");
    let bodies = [
        ("293 B", EVENT.to_owned(), Format::Json),
        ("1 KiB", nested(1 << 10), Format::Json),
        ("10 KiB", nested(10 << 10), Format::Json),
        ("array of 1000", array(EVENT), Format::Json),
        ("array of 1000 with []", array(&with_empty), Format::Json),
        ("1000 lines", lines(EVENT), Format::Ndjson),
    ];
    for (name, body, format) in &bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        tape(&mut group, name, body, *format);
        validate(&mut group, name, body, *format, &Rules::any());
    }
    // simd-json decodes escapes in place, so the same bytes can't be parsed twice.
    let bodies = [
        ("293 B, escapes", escaped(), Format::Json),
        ("array of 1000, escapes", array(&escaped()), Format::Json),
        ("1000 lines, escapes", lines(&escaped()), Format::Ndjson),
    ];
    for (name, body, format) in &bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        validate(&mut group, name, body, *format, &Rules::any());
    }
    let (event, wide) = (models::rules(&EVENT_FIELDS), models::rules(&WIDE_FIELDS));
    let mut keyed = event.clone();
    keyed.partition_key = Some(vec!["userId".to_owned()]);
    keyed.timestamp_field = Some(vec!["timestamp".to_owned()]);
    let wide_array = array(WIDE);
    let bodies = [
        ("293 B, typed", EVENT, &event),
        ("293 B, typed, key and time", EVENT, &keyed),
        ("WideEvent, typed", WIDE, &wide),
        ("array of 1000, typed", &array(EVENT), &event),
        ("array of 1000 WideEvents, typed", &wide_array, &wide),
    ];
    for (name, body, rules) in bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        tape(&mut group, name, body, Format::Json);
        validate(&mut group, name, body, Format::Json, rules);
    }
    group.finish();

    let mut group = criterion.benchmark_group("validate 1000 of a type");
    group.throughput(Throughput::Elements(1_000));
    for (type_, value) in TYPES {
        let (body, rules) = (models::thousand(value), models::of_thousand(type_));
        let name = format!("{type_} {value}");
        tape(&mut group, &name, &body, Format::Json);
        validate(&mut group, &name, &body, Format::Json, &rules);
    }
    group.finish();
    criterion.final_summary();
}
