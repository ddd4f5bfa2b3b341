//! The PKCS#10 signing request of a workload.
//!
//! Only the public key counts. Subject, names and extensions asked for are discarded, so that a
//! caller can never choose what its certificate says.

use rustls_pki_types::pem::{SectionKind, from_buf};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer as _};

use crate::x509::signature::{self, SignatureError};

/// A public key whose owner has proved to hold the private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// Why a signing request is refused. The texts are those of Dapr's `pkg/sentry/server`, which
/// clients match on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No PEM block, or one of another type.
    #[error("invalid certificate signing request")]
    Pem,
    /// The block holds no PKCS#10 request.
    #[error("failed to parse certificate signing request: {0}")]
    Pkcs10(String),
    /// The request was not signed by the key that it carries.
    #[error("invalid signature")]
    Signature(#[source] SignatureError),
}

// === impl PublicKey ===

impl PublicKey {
    /// Takes the key of a request in PEM, of type `CERTIFICATE REQUEST` or, as daprd before 1.12
    /// wrote it, `CERTIFICATE`. What follows the first block is ignored.
    ///
    /// # Errors
    /// If there is no such block, or the request is malformed or not signed by its own key.
    pub fn from_request(pem: &[u8]) -> Result<Self, RequestError> {
        match from_buf(&mut &*pem) {
            Ok(Some((SectionKind::Csr | SectionKind::Certificate, der))) => Self::from_der(&der),
            _ => Err(RequestError::Pem),
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let request = match X509CertificationRequest::from_der(der) {
            Ok(([], request)) => request,
            Ok(_) => return Err(RequestError::Pkcs10("trailing data".to_owned())),
            Err(error) => return Err(RequestError::Pkcs10(error.to_string())),
        };
        let info = &request.certification_request_info;
        signature::verify(
            &info.subject_pki,
            &request.signature_algorithm,
            &request.signature_value,
            info.raw,
        )
        .map_err(RequestError::Signature)?;
        Ok(Self(info.subject_pki.raw.to_vec()))
    }

    /// The key with its algorithm, as DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

impl From<&crate::PrivateKey> for PublicKey {
    fn from(key: &crate::PrivateKey) -> Self {
        Self(key.public_key_info())
    }
}
