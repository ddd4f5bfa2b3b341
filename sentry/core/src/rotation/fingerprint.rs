//! What certificates are called in the state and in messages.

use std::{fmt, fmt::Write as _};

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

/// SHA-256 of a certificate, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

// === impl Fingerprint ===

impl Fingerprint {
    /// Of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let hash = digest::digest(&digest::SHA256, certificate);
        let mut text = String::with_capacity(64);
        for byte in hash.as_ref() {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Its first digits: enough to tell the roots of one cluster apart.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.short())
    }
}
