//! The table, by what is attacked.

mod algorithm;
mod api_key;
mod authorization;
mod base64;
mod claims;
mod header;
mod json;
mod key;
mod places;
mod routes;
mod signature;
mod times;

use std::collections::HashSet;

use crate::auth::case::{Case, Cases};

/// Each case there is. Tokens are made now: those that expire soon do so soon.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    algorithm::add(&mut cases);
    key::add(&mut cases);
    header::add(&mut cases);
    json::add(&mut cases);
    claims::add(&mut cases);
    times::add(&mut cases);
    signature::add(&mut cases);
    base64::add(&mut cases);
    authorization::add(&mut cases);
    places::add(&mut cases);
    api_key::add(&mut cases);
    routes::add(&mut cases);
    let mut names = HashSet::new();
    let twice = cases.0.iter().filter(|case| !names.insert(&case.name));
    let twice: Vec<_> = twice.map(|case| &case.name).collect();
    assert!(twice.is_empty(), "names that are there twice: {twice:?}");
    cases.0
}
