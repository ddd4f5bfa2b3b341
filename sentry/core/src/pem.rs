//! PEM in and out.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// Why a text holds no usable certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// A block is cut off or no base64.
    #[error("the PEM text is malformed")]
    Malformed(#[source] rustls_pki_types::pem::Error),
    /// Blocks of other types only, or none.
    #[error("the PEM text holds no certificate")]
    NoCertificate,
}

/// All certificates of a PEM text, in order; text between them and blocks of other types are
/// skipped.
///
/// # Errors
/// If a block is malformed, or if no certificate is found.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(PemError::Malformed)? {
        found if found.is_empty() => Err(PemError::NoCertificate),
        found => Ok(found),
    }
}

/// The certificates as PEM, one after the other.
pub fn encode_certificates(certificates: &[CertificateDer<'_>]) -> String {
    certificates
        .iter()
        .map(|der| encode("CERTIFICATE", der))
        .collect()
}

/// One PEM block, in lines of 64 characters as RFC 7468 wants.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    text.reserve(body.len() + body.len() / 64 + 64);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}
