//! `[listen.tls]`: TLS of the public listener.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{
    auth::read_key_file,
    key::CertificateTable,
    keys::{
        OTHER_CERTIFICATE, OTHER_PRIVATE_KEY, TLS_CERTIFICATE, TLS_CLIENT_CA,
        TLS_CLIENT_CERTIFICATES, TLS_CLIENT_CRL, TLS_PRIVATE_KEY,
    },
    reader::{At, Reader, Table},
};
use crate::tls::{CertificateError, Clients, ClientsError, Identity, Tls};

/// The file of a certificate and that of its key, and where they are set.
type Files = [(At, PathBuf); 2];

impl Reader {
    /// Reads `[listen.tls]`; `None` where there is no certificate. Its files are relative to `directory`; if
    /// it is `None` they are not read.
    pub(super) fn tls(&mut self, directory: Option<&Path>) -> Option<Arc<Tls>> {
        let others = self.other_certificates();
        let Some(default) = self.default_certificate() else {
            if let Some(table) = self.tables::<CertificateTable>().first() {
                let message = "needs listen.tls.certificate, for clients that ask for no name";
                self.fail(table.itself(), message);
            }
            if self.is_set(&TLS_CLIENT_CA) {
                self.fail(
                    TLS_CLIENT_CA.at(),
                    "has no effect without listen.tls.certificate",
                );
            }
            return None;
        };
        let directory = directory?;
        let mut files = Vec::new();
        let clients = self.clients(directory, &mut files);
        let mut read = |reader: &mut Self, of: Files| {
            let of = of.map(|(at, path)| (at, directory.join(path)));
            files.extend(of.iter().map(|(_, path)| path.clone()));
            reader.identity(&of)
        };
        let at = default[0].0;
        let default = read(self, default);
        let mut identities = Vec::new();
        for (table, other) in others {
            let identity = read(self, other);
            if identity.as_ref().is_some_and(|it| !it.has_names()) {
                let message = "has no DNS name (subjectAltName) that clients could ask for";
                self.fail(table.at(OTHER_CERTIFICATE.key()), message);
            }
            identities.extend(identity);
        }
        match Tls::new(default?, identities, clients, files) {
            Ok(tls) => Some(Arc::new(tls)),
            Err(error) => {
                self.fail(at, error.to_string());
                None
            }
        }
    }

    /// Whose certificates are accepted of clients.
    fn clients(&mut self, directory: &Path, files: &mut Vec<PathBuf>) -> Option<Clients> {
        let mode = self.get(&TLS_CLIENT_CERTIFICATES);
        let revoked = self.get(&TLS_CLIENT_CRL);
        let Some(authorities) = self.get(&TLS_CLIENT_CA) else {
            for at in [TLS_CLIENT_CERTIFICATES.at(), TLS_CLIENT_CRL.at()] {
                if self.setting(at).is_some() {
                    self.fail(at, format!("has no effect without {}", TLS_CLIENT_CA.name));
                }
            }
            return None;
        };
        let authorities = directory.join(authorities);
        let revoked = revoked.map(|file| directory.join(file));
        files.push(authorities.clone());
        files.extend(revoked.clone());
        let lists = revoked.as_ref();
        let lists = lists.map(|path| self.file(TLS_CLIENT_CRL.at(), path));
        let certificates = self.file(TLS_CLIENT_CA.at(), &authorities)?;
        let lists = lists.map_or(Some(None), |it| it.map(Some))?;
        let clients = Clients::from_pem(&certificates, lists.as_deref(), mode);
        match clients {
            Ok(clients) => {
                if let (Some(file), Some(warning)) = (&revoked, clients.warning(SystemTime::now()))
                {
                    self.warn(
                        TLS_CLIENT_CRL.at(),
                        format!("{}: {warning}", file.display()),
                    );
                }
                return Some(clients);
            }
            Err(ClientsError::Authorities(error)) => {
                self.fail(
                    TLS_CLIENT_CA.at(),
                    format!("{}: {error}", authorities.display()),
                );
            }
            Err(ClientsError::Revoked(error)) => {
                let file = revoked.unwrap_or_default();
                self.fail(TLS_CLIENT_CRL.at(), format!("{}: {error}", file.display()));
            }
        }
        None
    }

    fn default_certificate(&mut self) -> Option<Files> {
        let at = [TLS_CERTIFICATE.at(), TLS_PRIVATE_KEY.at()];
        match [self.get(&TLS_CERTIFICATE), self.get(&TLS_PRIVATE_KEY)] {
            [Some(certificate), Some(key)] => {
                return Some([(at[0], certificate.into()), (at[1], key.into())]);
            }
            [None, None] => {}
            [Some(_), None] => {
                self.fail(at[1], "missing: the file of the certificate's private key");
            }
            [None, Some(_)] => {
                self.fail(at[0], "missing: the file of the private key's certificate");
            }
        }
        None
    }

    /// `[[listen.tls.certificates]]`.
    fn other_certificates(&mut self) -> Vec<(Table<CertificateTable>, Files)> {
        let mut others = Vec::new();
        for table in self.tables() {
            let certificate = self.require(table, &OTHER_CERTIFICATE);
            let key = self.require(table, &OTHER_PRIVATE_KEY);
            if let (Some(certificate), Some(key)) = (certificate, key) {
                let files = [
                    (table.at(OTHER_CERTIFICATE.key()), certificate.into()),
                    (table.at(OTHER_PRIVATE_KEY.key()), key.into()),
                ];
                others.push((table, files));
            }
        }
        others
    }

    /// The content of a file that is set at `at`.
    fn file(&mut self, at: At, path: &Path) -> Option<Vec<u8>> {
        let content = read_key_file(path);
        content
            .map_err(|error| self.fail(at, format!("{} {error}", path.display())))
            .ok()
    }

    fn identity(&mut self, files: &Files) -> Option<Identity> {
        let [(certificate_at, certificate), (key_at, key)] = files;
        let chain = self.file(*certificate_at, certificate);
        let private_key = self.file(*key_at, key);
        let identity = Identity::from_pem(&chain?, &private_key?, SystemTime::now());
        let (certificate, key) = (certificate.display(), key.display());
        match identity {
            Ok(identity) => return Some(identity),
            Err(CertificateError::Certificate(error)) => {
                self.fail(*certificate_at, format!("{certificate}: {error}"));
            }
            Err(CertificateError::Key(error)) => self.fail(*key_at, format!("{key}: {error}")),
            Err(CertificateError::Mismatch) => {
                let message =
                    format!("{key}: is not the private key of the certificate in {certificate}");
                self.fail(*key_at, message);
            }
        }
        None
    }
}
