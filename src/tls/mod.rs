//! TLS of the public listener: the certificates that it presents, and the rules of its handshakes.
//!
//! rustls with ring: TLS 1.3 and 1.2, with forward secrecy and authenticated encryption only. What it
//! does with a connection's bytes is in `connection`.

mod certificate;
mod clients;
mod names;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use ring::digest::{Context, SHA256};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::{
        CryptoProvider,
        ring::{Ticketer, default_provider},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use names::ByName;

pub use certificate::{CertificateError, Identity};
pub use clients::{
    ClientCertificate, ClientCertificates, Clients, ClientsError, alternative_name,
    unlikely_subject,
};

/// The only protocol that is offered (ALPN, RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// The most bytes that a client may send before its handshake is complete.
pub const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

/// Plaintext that is encrypted at once, at most.
pub const PART_BYTES: usize = 4 * 1024;

/// A TLS record with its header, at most (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
const RECORD_BYTES_MAX: usize = 5 + 16_384 + 2_048;

/// The most that TLS adds to a connection: what of a handshake or of a record has arrived, that record
/// decrypted, an encrypted part of an answer (in rustls, and on its way to the socket), the state of rustls.
const CONNECTION_BYTES: usize = {
    const STATE: usize = 12 * 1024;
    const TRAFFIC: usize = 2 * RECORD_BYTES_MAX + 2 * PART_BYTES;
    STATE
        + if TRAFFIC > HANDSHAKE_BYTES_MAX {
            TRAFFIC
        } else {
            HANDSHAKE_BYTES_MAX
        }
};

/// How the handshakes of the public listener are done. Its workers share it, and so its session tickets.
pub struct Tls {
    config: Arc<ServerConfig>,
    clients: Option<Clients>,
    expiry_ms: BTreeMap<Box<str>, u64>,
    /// Where it was read.
    files: Vec<PathBuf>,
    /// Of what was read there.
    digest: [u8; 32],
}

impl Tls {
    /// Presents the certificate with the name that a client asks for (SNI, RFC 6066 section 3), or else
    /// `default`. `clients` may, or must, have certificates, too. All were read from `files`.
    ///
    /// # Errors
    /// No key for session tickets can be had: the system has no random numbers.
    pub fn new(
        default: Identity,
        others: Vec<Identity>,
        clients: Option<Clients>,
        files: Vec<PathBuf>,
    ) -> Result<Self, rustls::Error> {
        let mut context = Context::new(&SHA256);
        default.digest(&mut context);
        for identity in &others {
            identity.digest(&mut context);
        }
        if let Some(clients) = &clients {
            clients.digest(&mut context);
        }
        let mut expiry_ms = BTreeMap::new();
        for (name, at) in others.iter().chain([&default]).map(Identity::expiry_ms) {
            let first = expiry_ms.entry(name).or_insert(at);
            *first = at.min(*first);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        let verifier = clients.as_ref().map(|it| Arc::clone(&it.verifier));
        let verifier = verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName::new(default, others)));
        config.ignore_client_order = true;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Sessions are resumed by tickets only: nothing is kept here.
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            config: Arc::new(config),
            clients,
            expiry_ms,
            files,
            digest,
        })
    }

    /// Whose certificates are accepted of clients; `None`: they are not asked for.
    pub fn clients(&self) -> Option<&Clients> {
        self.clients.as_ref()
    }

    /// When certificates expire, in milliseconds since 1970, by their first DNS name: of several with the same, the
    /// first to expire.
    pub fn expiry_ms(&self) -> impl Iterator<Item = (&str, u64)> {
        self.expiry_ms.iter().map(|(name, at)| (&**name, *at))
    }

    /// The most that it adds to the memory of a connection, in bytes.
    pub fn connection_bytes(&self) -> usize {
        // rustls keeps the client's certificates.
        let certificates = self.clients.as_ref().map_or(0, |_| HANDSHAKE_BYTES_MAX);
        CONNECTION_BYTES + certificates
    }

    /// The files that it was read from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// A session for a connection that begins.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn session(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(Arc::clone(&self.config))
    }
}

/// The same certificates and keys of the same files. (Not the same tickets: one does not know those of the
/// other.)
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (self.digest, &self.files) == (other.digest, &other.files)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}
