//! The quotas of principals.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::ClaimQuota,
    config::{
        Limits,
        key::{ApiKeyTable, ClientTable, IssuerTable, Key, Place},
        keys::{
            CLAIM, CLAIM_BURST, CLAIM_BYTES, CLAIM_RECORDS, CLAIM_REQUESTS, CLIENT_BURST,
            CLIENT_BYTES, CLIENT_RECORDS, CLIENT_REQUESTS, KEY_BURST, KEY_BYTES, KEY_RECORDS,
            KEY_REQUESTS,
        },
        quotas::owed_too_long,
        reader::{Reader, Table},
    },
    quota::{Bucket, ClaimBuckets, Quota},
};

/// The requests, records and bytes a second of a key for pages that has no quota of its own.
const OF_PAGES: [u64; 3] = [1_000, 10_000, 10_000_000];

/// The keys of a quota in tables of one kind.
struct QuotaKeys<P: 'static> {
    per_second: [&'static Key<usize, P>; 3],
    burst: &'static Key<Duration, P>,
}

const OF_KEY: QuotaKeys<ApiKeyTable> = QuotaKeys {
    per_second: [&KEY_REQUESTS, &KEY_RECORDS, &KEY_BYTES],
    burst: &KEY_BURST,
};

const OF_CLIENT: QuotaKeys<ClientTable> = QuotaKeys {
    per_second: [&CLIENT_REQUESTS, &CLIENT_RECORDS, &CLIENT_BYTES],
    burst: &CLIENT_BURST,
};

const OF_CLAIM: QuotaKeys<IssuerTable> = QuotaKeys {
    per_second: [&CLAIM_REQUESTS, &CLAIM_RECORDS, &CLAIM_BYTES],
    burst: &CLAIM_BURST,
};

impl Reader {
    /// The bucket of an API key. A key for pages has a quota unless it is set.
    pub(super) fn key_bucket(
        &mut self,
        table: Table<ApiKeyTable>,
        is_for_pages: bool,
    ) -> Option<Arc<Bucket>> {
        let (mut amounts, burst) = self.amounts(table, &OF_KEY);
        let is_set = |key: &&Key<usize, _>| self.setting(table.at(key)).is_some();
        if is_for_pages && !OF_KEY.per_second.iter().any(is_set) {
            amounts = OF_PAGES;
        }
        bucket(Quota::new(amounts, burst))
    }

    /// The bucket of a client with a certificate.
    pub(super) fn client_bucket(&mut self, table: Table<ClientTable>) -> Option<Arc<Bucket>> {
        bucket(self.quota(table, &OF_CLIENT))
    }

    /// The buckets of an issuer's principals.
    pub(super) fn claim_quota(&mut self, table: Table<IssuerTable>) -> Option<ClaimQuota> {
        let claim = self.get_in(table, &CLAIM);
        let quota = self.quota(table, &OF_CLAIM);
        (!quota.is_unlimited()).then(|| ClaimQuota {
            claim: claim.into(),
            buckets: Arc::new(ClaimBuckets::new(quota, ClaimBuckets::SETS)),
        })
    }

    fn quota<P: Place>(&mut self, table: Table<P>, keys: &QuotaKeys<P>) -> Quota {
        let (amounts, burst) = self.amounts(table, keys);
        Quota::new(amounts, burst)
    }

    fn amounts<P: Place>(&mut self, table: Table<P>, keys: &QuotaKeys<P>) -> ([u64; 3], Duration) {
        let amounts = keys.per_second.map(|key| self.get_in(table, key) as u64);
        (amounts, self.get_in(table, keys.burst))
    }

    /// Warns of quotas that the largest request uses up for long.
    pub(in crate::config) fn warn_of_small_quotas(&mut self, limits: &Limits) {
        self.warn_of_small(&OF_CLAIM, limits);
        self.warn_of_small(&OF_KEY, limits);
        self.warn_of_small(&OF_CLIENT, limits);
    }

    fn warn_of_small<P: Place>(&mut self, keys: &QuotaKeys<P>, limits: &Limits) {
        for table in self.tables::<P>() {
            let quota = self.quota(table, keys);
            for (unit, message) in owed_too_long(&quota, limits) {
                self.warn(table.at(keys.per_second[unit as usize]), message);
            }
        }
    }
}

fn bucket(quota: Quota) -> Option<Arc<Bucket>> {
    (!quota.is_unlimited()).then(|| Arc::new(Bucket::new(quota)))
}
