//! The roots of a trust domain.

use rustls_pki_types::{
    CertificateDer,
    pem::{self, PemObject},
};

/// Trust anchors, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    pem: String,
    certificates: Vec<CertificateDer<'static>>,
}

/// Why a text holds no trust anchors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not UTF-8.
    #[error("the trust anchors are not text")]
    Text(#[from] std::str::Utf8Error),
    /// Broken PEM.
    #[error("the trust anchors are not PEM")]
    Pem(#[source] pem::Error),
    /// No certificate in it.
    #[error("the trust anchors hold no certificate")]
    Empty,
    /// A certificate that can't be parsed.
    #[error("certificate {0} of the trust anchors could not be parsed")]
    Certificate(usize),
}

// === impl TrustBundle ===

impl TrustBundle {
    /// Reads all certificates of a PEM text; other blocks are passed over.
    ///
    /// # Errors
    /// If the text is no PEM, or a certificate in it is broken, or there is none.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, BundleError> {
        let pem = std::str::from_utf8(pem.as_ref())?.to_owned();
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(BundleError::Pem)?;
        let broken = certificates
            .iter()
            .position(|der| x509_parser::parse_x509_certificate(der).is_err());
        match broken {
            _ if certificates.is_empty() => Err(BundleError::Empty),
            Some(index) => Err(BundleError::Certificate(index + 1)),
            None => Ok(Self { pem, certificates }),
        }
    }

    /// The text as it came, byte for byte: others compare it, and sidecars get it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificates, at least one.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root() -> String {
        rcgen::generate_simple_self_signed(["root".to_owned()])
            .unwrap()
            .cert
            .pem()
    }

    #[test]
    fn keeps_the_text_and_counts_the_roots() {
        let pem = format!("{}{}", root(), root());
        let bundle = TrustBundle::from_pem(&pem).unwrap();
        assert_eq!(bundle.pem(), pem);
        assert_eq!(bundle.certificates().len(), 2);
    }

    #[test]
    fn refuses_what_holds_no_root() {
        assert!(matches!(TrustBundle::from_pem(""), Err(BundleError::Empty)));
        assert!(matches!(
            TrustBundle::from_pem("hello"),
            Err(BundleError::Empty)
        ));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            TrustBundle::from_pem(broken),
            Err(BundleError::Certificate(1))
        ));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = TrustBundle::from_pem(bytes);
        }
    }
}
