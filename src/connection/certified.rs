//! The client's certificate as its credential.

use rustls::pki_types::CertificateDer;

use crate::{
    auth::{KeySet, Principal},
    context::ActiveSnapshot,
    tls::ClientCertificate,
};

use super::{Connection, authenticate::unix_ms};

/// A certificate that the client has presented, and proved to be its own.
pub(super) struct Certified {
    certificate: ClientCertificate,
    /// Its principal, and the generation of the snapshot that says so.
    principal: Option<(u64, Result<Principal, NotAccepted>)>,
}

/// Why a certificate is no credential, for the log.
pub(super) type NotAccepted = &'static str;

const NO_CLIENT: NotAccepted =
    "no entry of auth.certificates has its subject or one of its alternative names";

impl Certified {
    /// Of a chain, if there is one.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Box<Self>> {
        let certificate = ClientCertificate::of(chain)?;
        Some(Box::new(Self {
            certificate,
            principal: None,
        }))
    }

    pub(super) fn subject(&self) -> &str {
        &self.certificate.subject
    }
}

impl Connection {
    /// The principal of the client's certificate: looked up once for each snapshot, which may have other CAs
    /// and revocation lists.
    pub(super) fn certified(
        &mut self,
        active: &ActiveSnapshot,
        keys: &KeySet,
    ) -> Result<Principal, NotAccepted> {
        let metrics = &self.context.metrics;
        let certified = self.certified.as_mut().ok_or("there is none")?;
        let generation = active.snapshot.generation;
        let principal = match &mut certified.principal {
            Some((of, principal)) if *of == generation => {
                metrics.credentials_cached.add(u64::from(principal.is_ok()));
                principal
            }
            before => {
                let clients = active.snapshot.tls.as_ref().and_then(|tls| tls.clients());
                let chain = self.transport.certificates();
                let principal = match clients {
                    Some(clients) if clients.accept(chain) => {
                        (keys.certificate(&certified.certificate)).map_err(|_| NO_CLIENT)
                    }
                    _ => Err("it has expired or was revoked, or its CA is not accepted any more"),
                };
                metrics
                    .credentials_verified
                    .add(u64::from(principal.is_ok()));
                &mut before.insert((generation, principal)).1
            }
        };
        let principal = principal.as_ref().map_err(|error| *error)?;
        let is_valid = principal.grant().validity.contains(unix_ms());
        is_valid
            .then(|| principal.clone())
            .ok_or("it has expired, or is not valid yet")
    }
}
