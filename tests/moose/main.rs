//! The measure: what Moose 0.6.533 accepted and refused, row by row, and where ringest is to do
//! better (`README.md` beside this file).

#[path = "../support/models.rs"]
mod models;
#[path = "../reference/mod.rs"]
mod reference;
#[path = "../support/mod.rs"]
mod support;

mod batches;
mod direct;
mod rig;
mod rows;
mod table;

use std::collections::BTreeMap;

use reference::{rules, types::Model};
use table::{Disagreement, Outcome};

/// The reference agrees with the table, and so may stand in for it where the table has no row.
#[test]
fn the_reference_gives_every_row_its_outcome() {
    let models = table::models();
    let models = models
        .iter()
        .map(|(name, text)| (name.as_str(), Model::parse(text)));
    let models: BTreeMap<_, _> = models.collect();
    let mut disagreements = Vec::new();
    let rows = table::rows();
    for row in &rows {
        let faults = rules::validate(&models[row.model.as_str()], &row.payload);
        let outcome = match &faults {
            Ok(faults) if faults.iter().all(Vec::is_empty) => Outcome::Accept,
            _ => Outcome::Refuse,
        };
        if !row.expected.allows(outcome) {
            let got = format!("{outcome:?}: {faults:?}");
            disagreements.push(Disagreement { row, got });
        }
    }
    table::assert_none(&disagreements);
}
