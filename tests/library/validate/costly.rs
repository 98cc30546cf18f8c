//! The bodies that cost most: validated right, and in short steps.

#[path = "../../../benches/fixtures/costly.rs"]
mod bodies;
#[path = "../../../benches/fixtures/models.rs"]
#[expect(dead_code, reason = "the benchmarks use the rest")]
mod models;

use ringest::model::OnInvalid;
use ringest::validate::{COUNTED_MAX, Counting, ValidateLimits, Validation, Validator};

use bodies::{Costly, costly};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

/// Long enough for three records of the greatest length.
const BODY_BYTES: usize = 3 << 20;

/// No step may look at more of a body than a part and a record.
#[test]
fn costly_bodies_are_validated_in_steps() {
    let mut validator = Validator::new(LIMITS);
    for Costly {
        name,
        format,
        rules,
        body,
        code,
    } in costly(BODY_BYTES)
    {
        let mut validation = Validation::new(format);
        let mut steps = 1;
        let lists_bytes_max = Validator::lists_bytes_max(LIMITS, body.len());
        while !validator.advance(&mut validation, &body, &rules) {
            steps += 1;
            let lists_bytes = validation.lists_bytes();
            assert!(lists_bytes <= lists_bytes_max, "{name}: {lists_bytes}");
        }
        let result = validation.result(&rules);
        let rejection = match &result {
            Ok(valid) => valid.rejection(),
            Err(rejection) => Some(rejection),
        };
        let found = rejection.map(|it| it.errors[0].code);
        assert_eq!(found, code, "{name}: {rejection:?}");
        let counts_all = rejection.is_none_or(|it| it.counting == Counting::Complete);
        let errors = rejection.map_or(0, |it| it.errors_total);
        assert!(
            counts_all || errors >= COUNTED_MAX,
            "{name}: {errors} errors"
        );
        assert!(
            counts_all || rules.on_invalid == OnInvalid::RejectAll,
            "{name}"
        );
        let _ = steps;
    }
}
