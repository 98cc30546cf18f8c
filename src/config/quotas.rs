//! Quotas that one request uses up for long, and what a reload keeps of them.

use std::sync::Arc;

use super::Limits;
use crate::{
    auth::Auth,
    document::grouped,
    model::Model,
    quota::{Bucket, Quota, Unit},
};

/// A request that uses up a quota for longer than that is worth a warning, in nanoseconds.
const OWED_NS_MAX: u64 = 60_000_000_000;

/// The units of which the largest request that the limits allow uses up a quota for long, each with a warning.
pub(super) fn owed_too_long(quota: &Quota, limits: &Limits) -> Vec<(Unit, String)> {
    let largest = [
        (Unit::Records, "limits.records_max", limits.records_max),
        (Unit::Bytes, "limits.body_bytes_max", limits.body_bytes_max),
    ];
    let owed = largest.into_iter().filter_map(|(unit, key, amount)| {
        let owed_ns = quota.rate(unit)?.cost_ns(amount as u64);
        let message = format!(
            "one request of {key} ({}) uses up {} s of it: nothing else is accepted meanwhile",
            grouped(amount),
            grouped(owed_ns / 1_000_000_000),
        );
        (owed_ns > OWED_NS_MAX).then_some((unit, message))
    });
    owed.collect()
}

/// The same for the models' quotas.
pub(super) fn model_warnings(models: &[Arc<Model>], limits: &Limits) -> Vec<String> {
    let of_model = |model: &Arc<Model>| {
        let warnings = model.quota.iter().flat_map(|it| owed_too_long(it, limits));
        let warnings = warnings.map(|(_, message)| {
            format!("model {} {}: quota: {message}", model.name, model.version)
        });
        warnings.collect::<Vec<_>>()
    };
    models.iter().flat_map(of_model).collect()
}

impl Auth {
    /// Keeps what is left of the quotas of `before` that stay the same.
    pub(super) fn keep_levels(&mut self, before: &Self) {
        for key in &mut self.api_keys {
            let same = before.api_keys.iter().find(|it| it.name == key.name);
            keep(&mut key.bucket, same.and_then(|it| it.bucket.as_ref()));
        }
        for client in &mut self.certificates {
            let same = before.certificates.iter().find(|it| it.name == client.name);
            keep(&mut client.bucket, same.and_then(|it| it.bucket.as_ref()));
        }
        for issuer in &mut self.issuers {
            let same = before.issuers.iter().find(|it| it.issuer == issuer.issuer);
            let old = same.and_then(|it| it.quota.as_ref());
            if let (Some(new), Some(old)) = (&issuer.quota, old)
                && (&new.claim, new.buckets.quota()) == (&old.claim, old.buckets.quota())
            {
                Arc::make_mut(issuer).quota = Some(old.clone());
            }
        }
    }
}

fn keep(new: &mut Option<Arc<Bucket>>, old: Option<&Arc<Bucket>>) {
    if let (Some(new), Some(old)) = (new, old)
        && new.quota == old.quota
    {
        *new = Arc::clone(old);
    }
}
