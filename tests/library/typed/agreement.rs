//! ringest and the reference, asked the same.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ringest::{
    model::{Model as Judged, OnInvalid},
    validate::{ERRORS_MAX, Format, Rejection, ValidateLimits, Validator},
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

    /// The reference reads the models' texts as they were meant, and so is a judge of texts too.
    #[test]
    fn the_reference_reads_what_was_meant(subjects in Subject::any()) {
        for mut subject in subjects {
            let mut read = Model::parse(&subject.text);
            read.fields.sort_by(|a, b| a.name.cmp(&b.name));
            subject.model.fields.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert_eq!(read, subject.model, "{}", subject.text);
        }
    }

    #[test]
    fn ringest_accepts_what_the_reference_accepts(subjects in Subject::any()) {
        let config = subject::load(&subjects);
        let mut validator = Validator::new(LIMITS);
        for (subject, model) in subjects.iter().zip(&config.models) {
            for (format, body) in &subject.bodies {
                let records = judge(&subject.model, *format, body);
                agree(&mut validator, model, *format, body, &records).map_err(|error| {
                    let shown = body.escape_ascii();
                    TestCaseError::fail(format!("{error}\n{format:?} {shown}\n{}", subject.text))
                })?;
            }
        }
    }
}

/// What the reference says of each record; of the whole body, where that is no JSON.
fn judge(model: &Model, format: Format, body: &[u8]) -> Result<Vec<Verdict>, Unreadable> {
    match format {
        Format::Json => {
            let records = rules::judge(model, body)?;
            Ok(records.into_iter().map(Verdict::Faults).collect())
        }
        Format::Ndjson => {
            let lines = body.split(|byte| *byte == b'\n');
            let is_space = |byte: &u8| b" \t\r".contains(byte);
            let lines = lines.filter(|line| !line.iter().all(is_space));
            let verdicts = lines.map(|line| match Tree::parse(line) {
                Ok(record) => Verdict::Faults(rules::faults(model, &record)),
                Err(_) => Verdict::Unreadable,
            });
            Ok(verdicts.collect())
        }
    }
}

/// What is said of one record.
#[derive(Debug)]
enum Verdict {
    /// The values that are invalid; none in a good record.
    Faults(Vec<Path>),
    /// A line that is no JSON.
    Unreadable,
}

impl Verdict {
    fn is_good(&self) -> bool {
        matches!(self, Self::Faults(errors) if errors.is_empty())
    }
}

fn agree(
    validator: &mut Validator,
    model: &Judged,
    format: Format,
    body: &[u8],
    records: &Result<Vec<Verdict>, Unreadable>,
) -> Result<(), TestCaseError> {
    let judged = validator.validate(body, format, &model.rules);
    let records = match records {
        Ok(records) if format == Format::Json || !records.is_empty() => records,
        unreadable => {
            prop_assert!(judged.is_err(), "accepted, but {unreadable:?}");
            return Ok(());
        }
    };
    let (good, bad): (Vec<usize>, Vec<usize>) =
        (0..records.len()).partition(|index| records[*index].is_good());
    let takes_part = model.rules.on_invalid == OnInvalid::AcceptValid && !good.is_empty();
    match judged {
        Ok(valid) => {
            prop_assert!(bad.is_empty() || takes_part, "accepted, but {records:?}");
            let accepted: Vec<usize> = valid.records().map(|record| record.index).collect();
            prop_assert_eq!(accepted, good);
            prop_assert_eq!(valid.rejection().is_some(), !bad.is_empty());
            let rejection = valid.rejection();
            rejection.map_or(Ok(()), |it| same_faults(it, records, &bad))
        }
        Err(rejection) => {
            let is_refused = !bad.is_empty() && !takes_part;
            prop_assert!(is_refused, "refused: {:?}", rejection.errors);
            same_faults(&rejection, records, &bad)
        }
    }
}

/// Of each record the same values are said to be invalid.
fn same_faults(
    rejection: &Rejection,
    records: &[Verdict],
    bad: &[usize],
) -> Result<(), TestCaseError> {
    let errors = &rejection.errors;
    prop_assert_eq!(rejection.records, records.len());
    prop_assert_eq!(errors.len(), rejection.errors_total.min(ERRORS_MAX));
    let told_bad: Vec<usize> = rejection
        .invalid_records
        .iter()
        .map(|(index, _)| *index)
        .collect();
    prop_assert_eq!(&told_bad, bad, "invalid records, of {:?}", records);
    for (index, record) in records.iter().enumerate() {
        let reported = errors.iter().filter(|error| error.index == index);
        let reported: BTreeSet<Path> = reported
            .map(|error| json_path::parse(&error.path))
            .collect();
        match record {
            Verdict::Faults(errors) => {
                let errors: BTreeSet<Path> = errors.iter().map(json_path::shown).collect();
                let are_same = if rejection.errors_total <= ERRORS_MAX {
                    reported == errors
                } else {
                    reported.is_subset(&errors)
                };
                prop_assert!(are_same, "not {errors:?} of record {index}: {rejection:?}");
            }
            Verdict::Unreadable => {
                prop_assert_eq!(reported, BTreeSet::from([Path::new()]), "{:?}", rejection);
            }
        }
    }
    Ok(())
}
