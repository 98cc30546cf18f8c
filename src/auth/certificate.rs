//! Certificates of clients as credentials.

use std::{collections::HashMap, sync::Arc};

use super::{AuthError, Globs, Grant, Principal, Scope, Validity};
use crate::{
    quota::{Allowance, Bucket},
    route::RouteTable,
    tls::ClientCertificate,
};

/// A client that authenticates by a certificate.
#[derive(Clone, Debug)]
pub struct CertificateRule {
    /// The name of the client.
    pub name: Box<str>,
    /// What its certificate has.
    pub identity: CertificateIdentity,
    /// The authorized routes.
    pub routes: Globs,
    /// How much the client may send, if that is limited.
    pub bucket: Option<Arc<Bucket>>,
}

/// What distinguishes a client's certificate from those of others that the same CA has issued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateIdentity {
    /// One of its alternative names, in the form of [`ClientCertificate::names`].
    Name(Box<str>),
    /// Its subject, as RFC 4514 writes it.
    Subject(Box<str>),
}

/// The clients of a configuration.
#[derive(Debug)]
pub(super) struct CertificateRules(HashMap<CertificateIdentity, Client>);

/// What its certificate grants.
#[derive(Debug)]
struct Client {
    name: Box<str>,
    scope: Scope,
    bucket: Option<Arc<Bucket>>,
}

impl CertificateRules {
    pub(super) fn new(rules: &[CertificateRule], routes: &RouteTable) -> Self {
        let rules = rules.iter().map(|rule| {
            let client = Client {
                name: rule.name.clone(),
                scope: Scope::new(&rule.routes, routes),
                bucket: rule.bucket.clone(),
            };
            (rule.identity.clone(), client)
        });
        Self(rules.collect())
    }

    /// The client with this certificate, which a CA of the configuration has issued.
    pub(super) fn find(&self, certificate: &ClientCertificate) -> Result<Principal, AuthError> {
        let subject = CertificateIdentity::Subject(certificate.subject.as_str().into());
        let names = certificate.names.iter();
        let names = names.map(|name| CertificateIdentity::Name(name.as_str().into()));
        let mut identities = std::iter::once(subject).chain(names);
        let found = identities.find_map(|identity| self.0.get(&identity));
        let client = found.ok_or(AuthError::Certificate)?;
        let [from_ms, until_ms] = certificate.valid_ms;
        Ok(Principal::new(Grant {
            name: Some(client.name.clone()),
            scope: client.scope.clone(),
            validity: Validity { from_ms, until_ms },
            subject_header: None,
            origins: None,
            allowance: client.bucket.clone().map(Allowance::Own),
        }))
    }
}
