//! What an X.509 SVID says of its bearer (SPIFFE X.509-SVID specification, sections 2 to 5).

use rustls_pki_types::CertificateDer;
use spiffe::{SpiffeId, SpiffeIdError};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate};

/// Why a certificate is no leaf SVID.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// Not a certificate.
    #[error("the certificate could not be parsed")]
    Parse,
    /// Not exactly one URI among the alternative names.
    #[error("the certificate names {0} URIs, an SVID names one")]
    Uris(usize),
    /// The URI is no SPIFFE ID.
    #[error("the certificate's URI is no SPIFFE ID")]
    Id(#[from] SpiffeIdError),
    /// It may sign others, so it is no leaf.
    #[error("the certificate may sign others, so it is no SVID of a workload")]
    Authority,
}

/// The SPIFFE ID of a leaf certificate. The chain is checked elsewhere.
///
/// # Errors
/// If the certificate is no leaf, or names no SPIFFE ID or several.
pub fn peer_id(leaf: &CertificateDer<'_>) -> Result<SpiffeId, SvidError> {
    let (_, certificate) = parse_x509_certificate(leaf).map_err(|_| SvidError::Parse)?;
    if may_sign(&certificate) {
        return Err(SvidError::Authority);
    }
    match uris(&certificate)?[..] {
        [uri] => Ok(SpiffeId::new(uri)?),
        ref uris => Err(SvidError::Uris(uris.len())),
    }
}

/// The first and last second of a certificate's validity, in seconds since 1970.
///
/// # Errors
/// If it is no certificate.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<(i64, i64), SvidError> {
    let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| SvidError::Parse)?;
    let validity = parsed.validity();
    Ok((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    certificate.is_ca()
        || usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign())
}

fn uris<'c>(certificate: &'c X509Certificate<'_>) -> Result<Vec<&'c str>, SvidError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| SvidError::Parse)?;
    let names = names.map(|extension| &extension.value.general_names);
    let uri = |name: &'c GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    };
    Ok(names.into_iter().flatten().filter_map(uri).collect())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};

    use super::*;

    fn certificate(
        uris: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        edit(&mut params);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn reads_the_id_of_a_leaf() {
        let leaf = certificate(&["spiffe://td/ns/shop/checkout"], |_| {});
        assert_eq!(peer_id(&leaf).unwrap().path(), "/ns/shop/checkout");
        let (from, to) = validity(&leaf).unwrap();
        assert!(from < to);
    }

    #[test]
    fn refuses_none_and_several() {
        assert!(matches!(
            peer_id(&certificate(&[], |_| {})),
            Err(SvidError::Uris(0))
        ));
        let two = certificate(&["spiffe://td/a", "spiffe://td/b"], |_| {});
        assert!(matches!(peer_id(&two), Err(SvidError::Uris(2))));
        let http = certificate(&["http://td/a"], |_| {});
        assert!(matches!(peer_id(&http), Err(SvidError::Id(_))));
    }

    #[test]
    fn refuses_authorities() {
        let authority = certificate(&["spiffe://td/a"], |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        });
        assert!(matches!(peer_id(&authority), Err(SvidError::Authority)));
        let signer = certificate(&["spiffe://td/a"], |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        });
        assert!(matches!(peer_id(&signer), Err(SvidError::Authority)));
    }

    #[test]
    fn refuses_bytes_that_are_no_certificate() {
        assert!(matches!(
            peer_id(&vec![1, 2, 3].into()),
            Err(SvidError::Parse)
        ));
    }
}
