//! A fetcher under test, with its keys and metrics.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant, SystemTime},
};

use jsonwebtoken::Algorithm;
use ringest::{
    admin::{Exposition, Sources},
    auth::{Auth, AuthMode, FetchedKeys, Issuer, JwksUrl, KeySet, KeySource, LookUp, VerifyError},
    jwks::Fetcher,
    log::RequestLines,
    metrics::{Principals, ProcessMetrics},
    readiness::Readiness,
    route::RouteTable,
    snapshot::{Published, Snapshot},
};

use super::served::token;
use crate::support::wait::await_that;

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("this century")
}

pub(crate) fn issuer(name: &str, url: &str, refresh: Duration) -> Arc<Issuer> {
    Arc::new(Issuer {
        issuer: name.into(),
        audience: "ingest".into(),
        algorithms: vec![Algorithm::HS256],
        leeway_ms: 0,
        routes_claim: None,
        required_claims: Vec::new(),
        subject_header: None,
        quota: None,
        keys: KeySource::Url(JwksUrl {
            url: url.to_owned(),
            refresh,
            stale_max: None,
        }),
    })
}

/// A fetcher under test.
pub(crate) struct Rig {
    pub(crate) fetcher: Fetcher,
    /// Each call of `changed`.
    pub(crate) changed: Receiver<()>,
    issuers: Vec<Arc<Issuer>>,
    exposition: Exposition,
}

impl Rig {
    /// One issuer, called `id`.
    pub(crate) fn start(url: &str, refresh: Duration) -> Self {
        Self::follow([issuer("id", url, refresh)])
    }

    pub(crate) fn follow(issuers: impl Into<Vec<Arc<Issuer>>>) -> Self {
        let process = Arc::new(ProcessMetrics::default());
        let (sender, changed) = mpsc::channel();
        let tell = move || {
            let _ = sender.send(());
        };
        let mut rig = Self {
            fetcher: Fetcher::new(Arc::clone(&process), tell),
            changed,
            issuers: Vec::new(),
            exposition: exposition(process),
        };
        rig.follow_others(issuers);
        rig
    }

    pub(crate) fn follow_others(&mut self, issuers: impl Into<Vec<Arc<Issuer>>>) {
        self.issuers = issuers.into();
        self.fetcher.follow(&self.issuers).expect("threads");
    }

    pub(crate) fn fetched(&self, issuer: usize) -> Arc<FetchedKeys> {
        self.fetcher.fetched(&self.issuers).swap_remove(issuer)
    }

    /// A look-up of an unknown key of the first issuer, by a token that arrives now.
    pub(crate) fn want(&self, kid: &str) -> LookUp {
        let auth = Auth {
            mode: AuthMode::Required,
            cache_entries: 1,
            issuers: self.issuers.clone(),
            api_keys: Vec::new(),
            certificates: Vec::new(),
            key_files: Vec::new(),
        };
        let fetched = self.fetcher.fetched(&self.issuers);
        let keys = KeySet::new(&auth, &fetched, &Arc::new(RouteTable::new(&[])));
        let token = token("id", kid);
        let check = keys.check(token.as_bytes(), unix_ms()).expect("a JWT");
        match check.verify(unix_ms()) {
            Err(VerifyError::UnknownKey(key)) => key.look_up(Instant::now(), Instant::now()),
            other => panic!("{other:?}"),
        }
    }

    /// Whether an issuer has the `present` keys and not the `absent` ones.
    pub(crate) fn has(&self, issuer: usize, present: &[&str], absent: &[&str]) -> bool {
        let Some(keys) = self.fetched(issuer).keys() else {
            return false;
        };
        let has = |id: &&str| keys.find(Algorithm::HS256, Some(id)).is_ok();
        present.iter().all(has) && !absent.iter().any(has)
    }

    /// Waits until the first issuer has the `present` keys and not the `absent` ones.
    #[track_caller]
    pub(crate) fn await_keys(&self, present: &[&str], absent: &[&str]) {
        await_that("no keys", || self.has(0, present, absent));
    }

    /// Waits for this many fetches of an issuer with this result.
    #[track_caller]
    pub(crate) fn await_fetches(&self, issuer: &str, result: &str, count: usize) {
        await_that(&format!("no fetch that is {result}"), || {
            self.fetches(issuer, result) >= count
        });
    }

    /// The number of fetches of an issuer with this result.
    pub(crate) fn fetches(&self, issuer: &str, result: &str) -> usize {
        let name = format!(r#"jwks_fetches_total{{issuer="{issuer}",result="{result}"}}"#);
        let count = self.metric(&name).expect("it is counted from the start");
        count.parse().expect("a count")
    }

    /// The age of an issuer's keys, in seconds.
    pub(crate) fn age(&self, issuer: &str) -> Option<f64> {
        let age = self.metric(&format!(r#"jwks_keys_age_seconds{{issuer="{issuer}"}}"#))?;
        Some(age.parse().expect("seconds"))
    }

    fn metric(&self, name: &str) -> Option<String> {
        let text = self.exposition.text().expect("it is written to a String");
        let value = |line: &str| {
            let rest = line.strip_prefix("ringest_")?.strip_prefix(name)?;
            Some(rest.trim().to_owned())
        };
        text.lines().find_map(value)
    }
}

fn exposition(process: Arc<ProcessMetrics>) -> Exposition {
    let nothing = Snapshot {
        generation: 0,
        routes: Arc::new(RouteTable::new(&[])),
        keys: None,
        tls: None,
        cache_entries: 0,
        cors: None,
        log: RequestLines::default(),
        metrics: Vec::new(),
        principals: Arc::new(Principals::new(0)),
    };
    Exposition::new(Sources {
        published: Arc::new(Published::new(nothing)),
        codes: Vec::new(),
        workers: Vec::new(),
        process,
        readiness: Arc::new(Readiness::new(1)),
        in_flight_bytes_max: 0,
        connections_max: 0,
        watch: None,
    })
}
