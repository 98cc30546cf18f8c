//! `[[auth.certificates]]`: clients that authenticate by a certificate.

use std::collections::HashMap;

use crate::{
    auth::{CertificateIdentity, CertificateRule, Globs},
    config::{
        key::ClientTable,
        keys::{CLIENT_NAME, CLIENT_ROUTES, CLIENT_SAN, CLIENT_SUBJECT, TLS_CLIENT_CA},
        reader::{Reader, Table},
    },
    tls::unlikely_subject,
};

impl Reader {
    /// The valid ones; the others are reported as errors.
    pub(super) fn certificates(&mut self) -> Vec<CertificateRule> {
        let (mut names, mut identities) = (HashMap::new(), HashMap::new());
        let mut rules = Vec::new();
        for table in self.tables::<ClientTable>() {
            if self.get(&TLS_CLIENT_CA).is_none() {
                let message = format!("needs {}: the CAs of the certificates", TLS_CLIENT_CA.name);
                self.fail(table.itself(), message);
            }
            let name = self.require(table, &CLIENT_NAME);
            let identity = self.certificate_identity(table);
            let routes = self.get_in(table, &CLIENT_ROUTES);
            let bucket = self.client_bucket(table);
            if let (Some(name), Some(identity)) = (name, identity) {
                let at = table.at(match identity {
                    CertificateIdentity::Name(_) => &CLIENT_SAN,
                    CertificateIdentity::Subject(_) => &CLIENT_SUBJECT,
                });
                self.refuse_second(at, identity.clone(), &mut identities);
                self.refuse_second(table.at(CLIENT_NAME.key()), name.clone(), &mut names);
                rules.push(CertificateRule {
                    name: name.into(),
                    identity,
                    routes: Globs::new(routes.iter().map(String::as_str)),
                    bucket,
                });
            }
        }
        rules
    }

    fn certificate_identity(&mut self, table: Table<ClientTable>) -> Option<CertificateIdentity> {
        let errors = self.raw.errors.len();
        let name = self.get_in(table, &CLIENT_SAN);
        let subject = self.get_in(table, &CLIENT_SUBJECT);
        self.warn_of_no_match(table, name.as_deref(), subject.as_deref());
        match (name, subject) {
            (Some(name), None) => Some(CertificateIdentity::Name(name.into())),
            (None, Some(subject)) => Some(CertificateIdentity::Subject(subject.into())),
            (Some(_), Some(_)) => {
                self.fail(table.at(&CLIENT_SUBJECT), "not allowed together with san");
                None
            }
            (None, None) => {
                if self.raw.errors.len() == errors {
                    self.fail(table.itself(), "no identity: set san or subject");
                }
                None
            }
        }
    }

    /// What certificates probably never have: they are compared as a whole.
    fn warn_of_no_match(
        &mut self,
        table: Table<ClientTable>,
        name: Option<&str>,
        subject: Option<&str>,
    ) {
        if name.is_some_and(|it| it.starts_with("DNS:*.")) {
            let message =
                "matches only a certificate that has this wildcard itself, and no name below it";
            self.warn(table.at(&CLIENT_SAN), message);
        }
        if let Some(why) = subject.and_then(unlikely_subject) {
            let message = format!(
                "probably matches no certificate: {why}; it is compared with what `openssl x509 -noout \
                 -subject -nameopt RFC2253` prints, such as \"CN=device-1,O=Acme\""
            );
            self.warn(table.at(&CLIENT_SUBJECT), message);
        }
    }
}
