//! A certificate with its chain and its private key, as PEM files have them (RFC 7468).

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use memchr::memmem;
use ring::digest::Context;
use rustls::{
    Error, InconsistentKeys,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
    time::Validity,
};

/// A certificate that is valid now, and its key.
pub struct Identity {
    key: Arc<CertifiedKey>,
    /// The DNS names of the certificate, in lower case.
    names: Vec<Box<str>>,
    /// When the first certificate of the chain expires, in milliseconds since 1970.
    expiry_ms: u64,
}

/// Why a certificate can't be presented. The fault of the operator; the text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file of the certificate.
    #[error("{0}")]
    Certificate(String),
    /// The file of the key.
    #[error("{0}")]
    Key(String),
    /// The key is another certificate's.
    #[error("the private key is not that of the certificate")]
    Mismatch,
}

impl Identity {
    /// A certificate, followed by those that issued it, and its key.
    ///
    /// # Errors
    /// One of them can't be used, or they do not belong together.
    pub fn from_pem(
        certificates: &[u8],
        key: &[u8],
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let (chain, expires) = chain(certificates, now).map_err(CertificateError::Certificate)?;
        let key = private_key(key).map_err(CertificateError::Key)?;
        let names = names(&chain[0]).map_err(CertificateError::Certificate)?;
        match CertifiedKey::from_der(chain, key, &super::provider()) {
            Ok(key) => Ok(Self {
                key: Arc::new(key),
                names,
                expiry_ms: u64::try_from(expires.as_millis()).unwrap_or(u64::MAX),
            }),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(CertificateError::Mismatch)
            }
            Err(Error::InvalidCertificate(error)) => Err(CertificateError::Certificate(format!(
                "{INVALID}: {error:?}"
            ))),
            Err(error) => Err(CertificateError::Key(format!(
                "can't be used ({error}): RSA keys of 2048 bits and more, EC keys on P-256 and P-384, and \
                 Ed25519 keys are supported"
            ))),
        }
    }

    /// The certificate's public key says which its key is.
    pub(super) fn digest(&self, context: &mut Context) {
        self.key.cert.iter().for_each(|it| context.update(it));
    }

    /// The first name of the certificate, empty where it has none, and when it or one of its chain expires, in
    /// milliseconds since 1970.
    pub(super) fn expiry_ms(&self) -> (Box<str>, u64) {
        let name = self.names.first().cloned();
        (name.unwrap_or_default(), self.expiry_ms)
    }

    /// Whether clients can ask for it by a name.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn into_parts(self) -> (Arc<CertifiedKey>, Vec<Box<str>>) {
        (self.key, self.names)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

const INVALID: &str = "an invalid certificate";

/// The certificates of a file, all of them valid now, and since 1970 until when.
fn chain(file: &[u8], now: SystemTime) -> Result<(Vec<CertificateDer<'static>>, Duration), String> {
    let certificates = CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| explained(&error))?;
    if certificates.is_empty() {
        return Err(
            "has no certificate: a PEM file with a block CERTIFICATE is expected".to_owned(),
        );
    }
    let mut expires = Duration::MAX;
    for (index, certificate) in certificates.iter().enumerate() {
        let parsed = Certificate::from_der(certificate);
        let parsed = parsed.map_err(|error| format!("{INVALID}: {error}"))?;
        let which = match index {
            0 => "the certificate".to_owned(),
            _ => format!("certificate {} of the chain", index + 1),
        };
        let validity = parsed.tbs_certificate().validity();
        check_time(&which, validity, now)?;
        expires = expires.min(validity.not_after.to_unix_duration());
    }
    Ok((certificates, expires))
}

/// The DNS names of a certificate (RFC 5280 section 4.2.1.6).
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<Box<str>>, String> {
    let invalid = |error| format!("{INVALID}: {error}");
    let certificate = Certificate::from_der(certificate).map_err(invalid)?;
    let extension = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let Some((_, SubjectAltName(names))) = extension.map_err(invalid)? else {
        return Ok(Vec::new());
    };
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase().into()),
        _ => None,
    });
    Ok(names.collect())
}

fn check_time(which: &str, validity: &Validity, now: SystemTime) -> Result<(), String> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (from, until) = (
        validity.not_before.to_unix_duration(),
        validity.not_after.to_unix_duration(),
    );
    if now > until {
        return Err(format!(
            "{which} has expired: it was valid until {}",
            shown(until)
        ));
    }
    if now < from {
        return Err(format!(
            "{which} is not valid yet: it is from {}",
            shown(from)
        ));
    }
    Ok(())
}

/// A time since 1970, as RFC 3339 has it.
pub(super) fn shown(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|it| Timestamp::from_second(it).ok());
    time.map_or_else(|| "an unknown time".to_owned(), |it| it.to_string())
}

fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(file).map_err(|error| match error {
        _ if memmem::find(file, b"ENCRYPTED").is_some() => {
            "is encrypted: a key without a passphrase is needed (openssl pkey removes it)".to_owned()
        }
        pem::Error::NoItemsFound => {
            "has no private key: a PEM file with a block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY \
             is expected"
                .to_owned()
        }
        error => explained(&error),
    })
}

/// An error that is without the file's contents.
pub(super) fn explained(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "has a PEM block without an end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "has a PEM block with an invalid first line".to_owned()
        }
        pem::Error::Base64Decode(_) => "has a PEM block with invalid base64".to_owned(),
        _ => "is not a valid PEM file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../../tests/support/tls/chain.pem");
    const KEY: &[u8] = include_bytes!("../../tests/support/tls/chain.key");

    /// It is valid from 2020 to the end of the first second of 2126.
    #[test]
    fn a_certificate_is_good_while_it_is_valid() {
        let at = |seconds| {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            Identity::from_pem(CERTIFICATE, KEY, now)
        };
        let (from, until) = (1_577_836_800, 4_922_899_200);
        for (seconds, is_good) in [
            (from - 1, false),
            (from, true),
            (until, true),
            (until + 1, false),
        ] {
            assert_eq!(at(seconds).is_ok(), is_good, "{seconds}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_first_certificate() {
        let identity = Identity::from_pem(CERTIFICATE, KEY, SystemTime::now()).expect("good");
        assert!(identity.has_names());
        let (key, names) = identity.into_parts();
        assert_eq!(key.cert.len(), 2);
        assert_eq!(names, ["b.example.com".into(), "*.b.example.com".into()]);
    }
}
