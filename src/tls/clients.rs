//! Certificates of clients: whose are accepted, and who has which.

use std::{
    fmt,
    net::IpAddr,
    str::FromStr as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::digest::{Context, Digest, SHA256};
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, UnixTime,
        pem::{self, PemObject},
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_cert::{
    Certificate,
    certificate::Rfc5280,
    crl::CertificateList,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::RdnSequence,
};

use super::certificate::{explained, shown as shown_time};

/// Whether clients need a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ClientCertificates {
    /// One that is presented must be good.
    Optional,
    /// There is no connection without a good one.
    Required,
}

/// Whose certificates are accepted of clients.
pub struct Clients {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// Of the files that it was made from.
    digest: Digest,
    mode: ClientCertificates,
    /// Since 1970: the first `nextUpdate` of the revocation lists.
    next_update: Option<Duration>,
}

/// Why they can't be verified. The fault of the operator; the text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// The file of certificates of CAs.
    #[error("{0}")]
    Authorities(String),
    /// The file of revocation lists.
    #[error("{0}")]
    Revoked(String),
}

impl Clients {
    /// Those that one of these CAs has issued, and that are in none of the revocation lists; both in PEM.
    ///
    /// # Errors
    /// What is wrong with one of the files.
    pub fn from_pem(
        authorities: &[u8],
        revoked: Option<&[u8]>,
        mode: ClientCertificates,
    ) -> Result<Self, ClientsError> {
        let mut roots = RootCertStore::empty();
        let invalid = |error: &dyn fmt::Display| ClientsError::Authorities(error.to_string());
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            let certificate = certificate.map_err(|error| invalid(&explained(&error)))?;
            let added = roots.add(certificate);
            added.map_err(|error| {
                invalid(&format!("has a certificate that can't be used: {error}"))
            })?;
        }
        if roots.is_empty() {
            return Err(invalid(
                &"has no certificate of a CA: a PEM file with a block CERTIFICATE is expected",
            ));
        }
        let lists = revoked.map_or(Ok(Vec::new()), revocation_lists);
        let lists = lists.map_err(ClientsError::Revoked)?;
        let next_update = lists.iter().filter_map(next_update).min();
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), super::provider())
                .with_crls(lists)
                .only_check_end_entity_revocation();
        if mode == ClientCertificates::Optional {
            verifier = verifier.allow_unauthenticated();
        }
        let verifier = verifier
            .build()
            .map_err(|error| ClientsError::Revoked(format!("can't be used: {error}")))?;
        let mut digest = Context::new(&SHA256);
        for file in [authorities, revoked.unwrap_or_default()] {
            digest.update(&file.len().to_le_bytes());
            digest.update(file);
        }
        Ok(Self {
            verifier,
            digest: digest.finish(),
            mode,
            next_update,
        })
    }

    /// What is to be warned of: a revocation list whose successor was due before `now` (RFC 5280 section
    /// 5.1.2.5). It stays in use.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let due = self.next_update.filter(|due| *due < now)?;
        Some(format!(
            "a revocation list has expired: its successor was due at {} (nextUpdate); certificates that were \
             revoked since are accepted",
            shown_time(due)
        ))
    }

    pub(super) fn digest(&self, context: &mut Context) {
        context.update(self.digest.as_ref());
        context.update(&[self.mode as u8]);
    }

    /// Whether a chain, which was accepted in a handshake, would be now.
    pub fn accept(&self, chain: &[CertificateDer<'_>]) -> bool {
        let now = UnixTime::now();
        chain.split_first().is_some_and(|(certificate, issuers)| {
            self.verifier
                .verify_client_cert(certificate, issuers, now)
                .is_ok()
        })
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// When the next list is to be issued, if the list has that.
fn next_update(list: &CertificateRevocationListDer<'static>) -> Option<Duration> {
    let list = CertificateList::<Rfc5280>::from_der(list).ok()?;
    Some(list.tbs_cert_list.next_update?.to_unix_duration())
}

fn revocation_lists(file: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let lists = CertificateRevocationListDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|error: pem::Error| explained(&error))?;
    if lists.is_empty() {
        return Err(
            "has no revocation list: a PEM file with a block X509 CRL is expected".to_owned(),
        );
    }
    Ok(lists)
}

/// What a client's certificate, verified in a handshake, says of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The alternative names, each with its kind as OpenSSL writes them: `DNS:`, `URI:`, `email:`, `IP:`.
    pub names: Vec<String>,
    /// When it is valid, in milliseconds since 1970: from, and before.
    pub valid_ms: [u64; 2],
}

impl ClientCertificate {
    /// The first certificate of a chain; `None` if there is none, or it can't be read.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let certificate = Certificate::from_der(chain.first()?).ok()?;
        let certificate = certificate.tbs_certificate();
        let names = certificate.get_extension::<SubjectAltName>().ok()?;
        let names = names.map_or(Vec::new(), |(_, SubjectAltName(names))| {
            names.iter().filter_map(shown).collect()
        });
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let validity = certificate.validity();
        Some(Self {
            subject: certificate.subject().to_string(),
            names,
            valid_ms: [
                milliseconds(validity.not_before.to_unix_duration()),
                // To the end of its last second.
                milliseconds(validity.not_after.to_unix_duration()).saturating_add(1_000),
            ],
        })
    }
}

/// An alternative name in the form of [`ClientCertificate::names`]; `None` if it is of no kind that they have.
pub fn alternative_name(text: &str) -> Option<String> {
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty())?;
    match kind {
        "DNS" => Some(format!("DNS:{}", name.to_ascii_lowercase())),
        "URI" | "email" => Some(text.to_owned()),
        "IP" => Some(format!("IP:{}", name.parse::<IpAddr>().ok()?)),
        _ => None,
    }
}

/// Why probably no certificate has this subject in the form of [`ClientCertificate::subject`]: other tools write
/// subjects in other forms.
pub fn unlikely_subject(text: &str) -> Option<String> {
    if text.starts_with('/') {
        return Some("it has slashes for commas".to_owned());
    }
    let Ok(name) = RdnSequence::from_str(text) else {
        return Some("it is not what RFC 4514 defines".to_owned());
    };
    let written = name.to_string();
    if written != text {
        return Some(format!("RFC 4514 writes it {written:?}"));
    }
    let is_common_name = |rdn: Option<&str>| rdn.is_some_and(|it| it.starts_with("CN="));
    let is_reversed = text.contains(',')
        && !is_common_name(Some(text))
        && is_common_name(text.rsplit(',').next());
    is_reversed.then(|| "RFC 4514 begins with what openssl prints last".to_owned())
}

/// An alternative name in OpenSSL's form, of the kinds that are supported.
fn shown(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(format!("DNS:{}", name.as_str().to_ascii_lowercase())),
        GeneralName::UniformResourceIdentifier(uri) => Some(format!("URI:{}", uri.as_str())),
        GeneralName::Rfc822Name(address) => Some(format!("email:{}", address.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4
                .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
                .ok()?;
            Some(format!("IP:{address}"))
        }
        _ => None,
    }
}
