//! `[auth]`: authentication.

mod api_key;
mod certificate;
pub(super) mod issuer;
mod key_source;
mod quota;

use std::path::Path;

pub(super) use key_source::is_loopback;

use super::{
    ListenAddress,
    key::{ApiKeyTable, ClientTable, IssuerTable},
    keys::{AUTH_MODE, CACHE_ENTRIES, LISTEN_ADDRESS, UNAUTHENTICATED_NETWORK},
    reader::Reader,
};
use crate::{
    auth::{Auth, AuthMode},
    document::read_file,
};

const MODE: &str = AUTH_MODE.name;
const NETWORK: &str = UNAUTHENTICATED_NETWORK.name;

/// The tables of API keys, of issuers and of clients with a certificate.
const KEYS: &str = "auth.keys";
const ISSUERS: &str = "auth.jwt";
const CERTIFICATES: &str = "auth.certificates";

/// Key files are at most this long, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1 << 20;

impl Reader {
    /// Disables authentication if it is not configured: for commands that serve nothing.
    pub(super) fn leave_undecided(&mut self) {
        const WHY: &str = "--list-routes";
        if !self.is_set(&AUTH_MODE) && !self.knows_anyone() {
            self.raw.read_flag(WHY, MODE, "none");
            self.raw.read_flag(WHY, NETWORK, "true");
        }
    }

    /// Whether there are credentials to check against.
    fn knows_anyone(&self) -> bool {
        !self.used_tables().is_empty()
    }

    /// The names of the tables of credentials that there are.
    fn used_tables(&self) -> Vec<&'static str> {
        let tables = [
            (ISSUERS, !self.tables::<IssuerTable>().is_empty()),
            (KEYS, !self.tables::<ApiKeyTable>().is_empty()),
            (CERTIFICATES, !self.tables::<ClientTable>().is_empty()),
        ];
        let used = tables.into_iter().filter(|(_, is_used)| *is_used);
        used.map(|(name, _)| name).collect()
    }

    /// Reads `[auth]`. Key files are relative to `directory`; if it is `None` they are not read, and
    /// issuers with a key file are left out.
    pub(super) fn auth(&mut self, public: &ListenAddress, directory: Option<&Path>) -> Auth {
        let mode = self.get(&AUTH_MODE);
        let mut auth = Auth {
            mode,
            cache_entries: self.get(&CACHE_ENTRIES),
            issuers: Vec::new(),
            api_keys: self.api_keys(),
            certificates: self.certificates(),
            key_files: Vec::new(),
        };
        auth.issuers = self.issuers(directory, &mut auth.key_files);
        let on_network = self.get(&UNAUTHENTICATED_NETWORK);
        if self.are_good(&[MODE]) {
            match mode {
                AuthMode::None => self.serves_everyone(public, on_network),
                AuthMode::Required => self.serves_someone(),
            }
        }
        auth
    }

    /// Checks that requests from the network are unauthenticated only if that is allowed.
    fn serves_everyone(&mut self, public: &ListenAddress, on_network: bool) {
        let is_allowed = public.is_local() || on_network;
        if !is_allowed && self.are_good(&[LISTEN_ADDRESS.name, NETWORK]) {
            let message = format!(
                "\"{public}\" is reachable from the network and {MODE} = \"none\" disables \
                 authentication: set {NETWORK} = true to allow this, or use a loopback address"
            );
            self.fail(LISTEN_ADDRESS.at(), message);
        }
        let unused = self.used_tables();
        let have = match unused.len() {
            0 => return,
            1 => "has",
            _ => "have",
        };
        let unused = unused.join(" and ");
        let message = format!("\"none\" disables authentication: {unused} {have} no effect");
        self.warn(AUTH_MODE.at(), message);
    }

    /// Checks that there are credentials.
    fn serves_someone(&mut self) {
        if !self.knows_anyone() {
            let message = format!(
                "\"required\" (the default) needs credentials to check against: set {KEYS} \
                 (`ringest token` creates one), {ISSUERS} or the environment variable \
                MOOSE_INGEST_API_KEY; or {MODE} = \
                 \"none\" to accept unauthenticated requests"
            );
            self.fail(AUTH_MODE.at(), message);
        }
    }
}

/// Reads a key file; the error says why it cannot be read.
pub(super) fn read_key_file(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, KEY_FILE_BYTES_MAX).map_err(|error| error.to_string())
}
