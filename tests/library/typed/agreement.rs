//! Compares ringest with the reference.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ringest::{
    model::{Model as LoadedModel, OnInvalid},
    validate::{ERRORS_MAX, Format, Record, Rejection, ValidBody, ValidateLimits, Validator},
};

use super::{
    json_path,
    subject::{self, Subject},
};
use crate::reference::{
    rules::{self, Path},
    tree::{DEPTH_MAX, Tree, Unreadable},
    types::Model,
};

/// Some ten seconds in a debug build, for some thirty thousand records.
const CASES: u32 = 200;

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: DEPTH_MAX,
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    /// The reference parses the texts of models as they were generated.
    #[test]
    fn the_reference_parses_the_generated_models(subjects in Subject::any()) {
        for mut subject in subjects {
            let mut read = Model::parse(&subject.text);
            read.fields.sort_by(|a, b| a.name.cmp(&b.name));
            subject.model.fields.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(read, subject.model, "{}", subject.text);
        }
    }

    /// The example of a model is valid, by both.
    #[test]
    fn a_model_accepts_its_example(subjects in Subject::any()) {
        let config = subject::load(&subjects);
        let mut validator = Validator::new(LIMITS);
        for (subject, model) in subjects.iter().zip(&config.models) {
            let example = model.example();
            let records = reference_results(&subject.model, Format::Json, example.as_bytes());
            let is_valid = records.is_ok_and(|it| it.iter().all(ReferenceResult::is_valid));
            prop_assert!(is_valid, "{example}\n{}", subject.text);
            let result = validator.validate(example.as_bytes(), Format::Json, &model.rules);
            prop_assert!(result.is_ok(), "{example} {:?}\n{}", result.err(), subject.text);
        }
    }

    #[test]
    fn ringest_accepts_what_the_reference_accepts(subjects in Subject::any()) {
        let config = subject::load(&subjects);
        let mut validator = Validator::new(LIMITS);
        let mut by_tape = Validator::by_tape(LIMITS);
        for (subject, model) in subjects.iter().zip(&config.models) {
            for (format, body) in &subject.bodies {
                let records = reference_results(&subject.model, *format, body);
                agree(&mut validator, model, *format, body, &records).map_err(|error| {
                    let shown = body.escape_ascii();
                    TestCaseError::fail(format!("{error}\n{format:?} {shown}\n{}", subject.text))
                })?;
                let [found, expected] = [&mut validator, &mut by_tape]
                    .map(|it| found(it.validate(body, *format, &model.rules)));
                let shown = body.escape_ascii();
                prop_assert_eq!(found, expected, "{:?} {}\n{}", format, shown, subject.text);
            }
        }
    }
}

/// All that a validation finds.
fn found(
    result: Result<ValidBody<'_>, Rejection>,
) -> Result<(Vec<Record<'_>>, Option<Rejection>), Rejection> {
    result.map(|valid| (valid.records().collect(), valid.rejection().cloned()))
}

/// The result of the reference for each record, or for the whole body if it is not JSON.
fn reference_results(
    model: &Model,
    format: Format,
    body: &[u8],
) -> Result<Vec<ReferenceResult>, Unreadable> {
    match format {
        Format::Json => {
            let records = rules::validate(model, body)?;
            Ok(records
                .into_iter()
                .map(ReferenceResult::InvalidValues)
                .collect())
        }
        Format::Ndjson => {
            let lines = body.split(|byte| *byte == b'\n');
            let is_space = |byte: &u8| b" \t\r".contains(byte);
            let lines = lines.filter(|line| !line.iter().all(is_space));
            let results = lines.map(|line| match Tree::parse(line) {
                Ok(record) => ReferenceResult::InvalidValues(rules::invalid_values(model, &record)),
                Err(_) => ReferenceResult::NotJson,
            });
            Ok(results.collect())
        }
    }
}

/// The reference result for one record.
#[derive(Debug)]
enum ReferenceResult {
    /// The invalid values; none in a valid record.
    InvalidValues(Vec<Path>),
    /// A line that is not JSON.
    NotJson,
}

impl ReferenceResult {
    fn is_valid(&self) -> bool {
        matches!(self, Self::InvalidValues(errors) if errors.is_empty())
    }
}

fn agree(
    validator: &mut Validator,
    model: &LoadedModel,
    format: Format,
    body: &[u8],
    records: &Result<Vec<ReferenceResult>, Unreadable>,
) -> Result<(), TestCaseError> {
    let result = validator.validate(body, format, &model.rules);
    let records = match records {
        Ok(records) if format == Format::Json || !records.is_empty() => records,
        unreadable => {
            prop_assert!(result.is_err(), "accepted, but {unreadable:?}");
            return Ok(());
        }
    };
    let (good, bad): (Vec<usize>, Vec<usize>) =
        (0..records.len()).partition(|index| records[*index].is_valid());
    let takes_part = model.rules.on_invalid == OnInvalid::AcceptValid && !good.is_empty();
    match result {
        Ok(valid) => {
            prop_assert!(bad.is_empty() || takes_part, "accepted, but {records:?}");
            let accepted: Vec<usize> = valid.records().map(|record| record.index).collect();
            prop_assert_eq!(accepted, good);
            prop_assert_eq!(valid.rejection().is_some(), !bad.is_empty());
            let rejection = valid.rejection();
            rejection.map_or(Ok(()), |it| same_invalid_values(it, records, &bad))
        }
        Err(rejection) => {
            let is_refused = !bad.is_empty() && !takes_part;
            prop_assert!(is_refused, "refused: {:?}", rejection.errors);
            same_invalid_values(&rejection, records, &bad)
        }
    }
}

/// Both report the same invalid values of each record.
fn same_invalid_values(
    rejection: &Rejection,
    records: &[ReferenceResult],
    bad: &[usize],
) -> Result<(), TestCaseError> {
    let errors = &rejection.errors;
    prop_assert_eq!(rejection.records, records.len());
    prop_assert_eq!(errors.len(), rejection.errors_total.min(ERRORS_MAX));
    let reported_invalid: Vec<usize> = rejection
        .invalid_records
        .iter()
        .map(|(index, _)| *index)
        .collect();
    prop_assert_eq!(&reported_invalid, bad, "invalid records, of {:?}", records);
    for (index, record) in records.iter().enumerate() {
        let reported = errors.iter().filter(|error| error.index == index);
        let reported: BTreeSet<Path> = reported
            .map(|error| json_path::parse(&error.path))
            .collect();
        match record {
            ReferenceResult::InvalidValues(errors) => {
                let errors: BTreeSet<Path> = errors.iter().map(json_path::shown).collect();
                let are_same = if rejection.errors_total <= ERRORS_MAX {
                    reported == errors
                } else {
                    reported.is_subset(&errors)
                };
                prop_assert!(are_same, "not {errors:?} of record {index}: {rejection:?}");
            }
            ReferenceResult::NotJson => {
                prop_assert_eq!(reported, BTreeSet::from([Path::new()]), "{:?}", rejection);
            }
        }
    }
    Ok(())
}
