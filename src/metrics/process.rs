//! Metrics of the process as a whole.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use strum::{IntoStaticStr, VariantArray};

use super::{KeyFetches, Tokens, unix_millis};
use crate::sync::locked;

/// Metrics of the process as a whole; not written on the request path.
#[derive(Debug)]
pub struct ProcessMetrics {
    worker_restarts: AtomicU64,
    key_fetches: Mutex<Vec<Arc<KeyFetches>>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    last_reload_succeeded: AtomicBool,
    /// Milliseconds since 1970.
    configured_at: AtomicU64,
    /// Tokens for the brokers.
    pub tokens: Tokens,
    traces: [AtomicU64; TraceResult::ALL.len()],
}

/// What became of a sampled request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(usize)]
#[strum(serialize_all = "snake_case")]
pub enum TraceResult {
    /// The collector has accepted them.
    Exported,
    /// The queue was full.
    Dropped,
    /// The collector was not reached, or has refused them.
    Failed,
}

impl TraceResult {
    /// All results, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Of a process that has just been configured.
impl Default for ProcessMetrics {
    fn default() -> Self {
        Self {
            worker_restarts: AtomicU64::default(),
            key_fetches: Mutex::default(),
            reloads: AtomicU64::default(),
            failed_reloads: AtomicU64::default(),
            last_reload_succeeded: AtomicBool::new(true),
            configured_at: AtomicU64::new(unix_millis()),
            tokens: Tokens::default(),
            traces: Default::default(),
        }
    }
}

impl ProcessMetrics {
    /// Counts a restart of a worker. May be called from any thread.
    pub fn worker_restarted(&self) {
        self.worker_restarts.fetch_add(1, Relaxed);
    }

    /// Restarts of workers so far.
    pub fn worker_restarts(&self) -> u64 {
        self.worker_restarts.load(Relaxed)
    }

    /// Replaces the issuers whose key fetches are exported.
    pub fn set_key_fetches(&self, issuers: Vec<Arc<KeyFetches>>) {
        *self.key_fetches() = issuers;
    }

    pub(crate) fn key_fetches(&self) -> MutexGuard<'_, Vec<Arc<KeyFetches>>> {
        locked(&self.key_fetches)
    }

    /// Counts a reload of the configuration and whether it succeeded. May be called from any thread.
    pub fn reloaded(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.reloads
        } else {
            &self.failed_reloads
        };
        counter.fetch_add(1, Relaxed);
        self.last_reload_succeeded.store(succeeded, Relaxed);
        if succeeded {
            self.configured_at.store(unix_millis(), Relaxed);
        }
    }

    /// Whether the last reload succeeded, or none was tried; and when the active configuration was read, in
    /// milliseconds since 1970.
    pub fn last_reload(&self) -> (bool, u64) {
        (
            self.last_reload_succeeded.load(Relaxed),
            self.configured_at.load(Relaxed),
        )
    }

    /// Counts sampled requests by what became of their spans. May be called from any thread.
    pub fn traced(&self, result: TraceResult, requests: u64) {
        self.traces[result as usize].fetch_add(requests, Relaxed);
    }

    /// Sampled requests so far whose spans had this result.
    pub fn traces(&self, result: TraceResult) -> u64 {
        self.traces[result as usize].load(Relaxed)
    }

    /// Reloads so far: succeeded and failed ones.
    pub fn reloads(&self) -> (u64, u64) {
        (
            self.reloads.load(Relaxed),
            self.failed_reloads.load(Relaxed),
        )
    }
}
