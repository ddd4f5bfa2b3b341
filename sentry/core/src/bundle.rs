//! The certificate authority as a value: trust anchors, issuer chain and issuer key that fit.

use std::fmt;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::KeyUsage};
use zeroize::Zeroizing;

use crate::{
    key::{KeyError, PrivateKey},
    pem::{self, PemError},
    x509::chain::{self, LinkError, PathError},
};

/// The three texts that a bundle is kept as, all PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// One or more roots.
    pub anchors: Vec<u8>,
    /// The issuer's certificate and what lies between it and a root.
    pub issuer_chain: Vec<u8>,
    /// The issuer's private key.
    pub issuer_key: Zeroizing<Vec<u8>>,
}

/// Why three texts are no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The trust anchors can't be read.
    #[error("read the trust anchors")]
    AnchorsPem(#[source] PemError),
    /// The issuer chain can't be read.
    #[error("read the issuer chain")]
    ChainPem(#[source] PemError),
    /// The issuer key can't be read.
    #[error("read the issuer key")]
    Key(#[source] KeyError),
    /// A block holds no X.509 certificate; the number counts from 1.
    #[error("certificate {1} of the {0} is no X.509 certificate")]
    NotX509(&'static str, usize),
    /// A trust anchor is not self-signed, or not correctly; the number counts from 1.
    #[error("trust anchor {0} is not a self-signed certificate authority")]
    Anchor(usize, #[source] LinkError),
    /// A certificate of the chain was not signed by the next one; the number counts from 1.
    #[error("certificate {0} of the issuer chain was not signed by the next one")]
    Order(usize, #[source] LinkError),
    /// Root and issuer are the same certificate.
    #[error("the issuer chain holds nothing but a self-signed certificate")]
    SelfSignedIssuer,
    /// The issuer's certificate is not marked as a certificate authority.
    #[error("the issuer certificate may not sign certificates")]
    NotAuthority,
    /// The key belongs to another certificate.
    #[error("the issuer key does not belong to the issuer certificate")]
    Mismatch,
    /// Verifiers would refuse the issuer.
    #[error("the issuer chain does not lead to a trust anchor")]
    Path(#[source] PathError),
}

/// Trust anchors, issuer chain and issuer key, checked against each other.
///
/// The checks are those of Dapr's `pkg/sentry/server/ca/bundle`, made stricter where peers would
/// refuse the chain anyway.
#[derive(Debug)]
pub struct Bundle {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKey,
    /// Subject of the issuer, byte by byte.
    pub(crate) issuer_name: Vec<u8>,
    pub(crate) issuer_key_id: Option<Vec<u8>>,
    anchors_pem: String,
    issuer_not_after: Timestamp,
    path_not_after: Timestamp,
}

// === impl Parts ===

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parts(..)")
    }
}

// === impl BundleError ===

impl BundleError {
    /// Whether only the time is wrong: the parts fit, but one of them has ended.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::Path(PathError::Time))
    }
}

// === impl Bundle ===

impl Bundle {
    /// Reads a bundle and checks that its parts fit together and are valid now.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn load(parts: &Parts, now: Timestamp) -> Result<Self, BundleError> {
        let anchors = pem::certificates(&parts.anchors).map_err(BundleError::AnchorsPem)?;
        let chain = pem::certificates(&parts.issuer_chain).map_err(BundleError::ChainPem)?;
        let key = PrivateKey::from_pem(&parts.issuer_key).map_err(BundleError::Key)?;
        let parsed_anchors = check_anchors(&anchors)?;
        let parsed = check_order(&chain)?;
        let path_not_after =
            chain::path_end(&parsed, &parsed_anchors, now).map_err(BundleError::Path)?;
        let issuer = parsed.first().ok_or(BundleError::SelfSignedIssuer)?;
        check_issuer(issuer, &key)?;
        Ok(Self {
            key,
            issuer_name: issuer.subject().as_raw().to_vec(),
            issuer_key_id: chain::subject_key_id(issuer),
            anchors_pem: pem::encode_certificates(&anchors),
            issuer_not_after: chain::not_after(issuer),
            path_not_after,
            chain: chain.iter().take(parsed.len()).cloned().collect(),
        })
    }

    /// The trust anchors as PEM, in their order, without any text between them.
    pub fn anchors_pem(&self) -> &str {
        &self.anchors_pem
    }

    /// When the issuer's certificate ends.
    pub fn issuer_not_after(&self) -> Timestamp {
        self.issuer_not_after
    }

    /// When the path from the issuer to the longest-lived root ends: nothing signed by this
    /// bundle is accepted any longer then.
    pub fn path_not_after(&self) -> Timestamp {
        self.path_not_after
    }
}

fn parse_all<'a>(
    what: &'static str,
    certificates: &'a [CertificateDer<'_>],
) -> Result<Vec<X509Certificate<'a>>, BundleError> {
    let parsed = |(index, der)| chain::parse(der).ok_or(BundleError::NotX509(what, index + 1));
    certificates.iter().enumerate().map(parsed).collect()
}

fn check_anchors<'a>(
    anchors: &'a [CertificateDer<'_>],
) -> Result<Vec<X509Certificate<'a>>, BundleError> {
    let parsed = parse_all("trust anchors", anchors)?;
    for (index, anchor) in parsed.iter().enumerate() {
        chain::link(anchor, anchor).map_err(|error| BundleError::Anchor(index + 1, error))?;
    }
    Ok(parsed)
}

/// Peers never get the root in a chain, so a closing self-signed certificate is left out.
fn check_order<'a>(
    chain: &'a [CertificateDer<'_>],
) -> Result<Vec<X509Certificate<'a>>, BundleError> {
    let mut parsed = parse_all("issuer chain", chain)?;
    for (index, pair) in parsed.windows(2).enumerate() {
        if let [certificate, issuer] = pair {
            chain::link(issuer, certificate)
                .map_err(|error| BundleError::Order(index + 1, error))?;
        }
    }
    if parsed.last().is_some_and(chain::self_signed) {
        parsed.pop();
    }
    Ok(parsed)
}

fn check_issuer(issuer: &X509Certificate<'_>, key: &PrivateKey) -> Result<(), BundleError> {
    let may_sign = chain::key_usage(issuer).is_none_or(KeyUsage::key_cert_sign);
    if !issuer.is_ca() || !may_sign {
        return Err(BundleError::NotAuthority);
    }
    if *issuer.public_key().subject_public_key.data != *key.public_key_bits() {
        return Err(BundleError::Mismatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use config::GoDuration;
    use yasna::models::ObjectIdentifier;

    use super::*;
    use crate::{
        issue::{Order, Terms},
        key,
        request::PublicKey,
        x509::{
            extension::{self, Extension},
            template::Template,
        },
    };

    const DOMAIN_COMPONENT: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 25];

    /// `DC=corp,DC=<last>`, as directories name their authorities.
    fn directory_name(last: &str) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                for part in ["corp", last] {
                    writer.next().write_set(|writer| {
                        writer.next().write_sequence(|writer| {
                            writer
                                .next()
                                .write_oid(&ObjectIdentifier::from_slice(DOMAIN_COMPONENT));
                            writer.next().write_ia5_string(part);
                        });
                    });
                }
            });
        })
    }

    fn authority(name: &[u8], seed: u8, by: &[u8], signer: u8) -> CertificateDer<'static> {
        let own = PrivateKey::ed25519(&[seed; 32]).unwrap();
        let template = Template {
            serial: [seed; 16],
            issuer: by,
            subject: name,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
            public_key: &own.public_key_info(),
            extensions: vec![
                Extension::key_usage(&[extension::KeyUsage::KeyCertSign]),
                Extension::authority(),
            ],
        };
        template
            .sign(&PrivateKey::ed25519(&[signer; 32]).unwrap())
            .unwrap()
    }

    #[test]
    fn keeps_a_name_that_repeats_its_parts() {
        let (root_name, name) = (directory_name("root"), directory_name("issuer"));
        let parts = Parts {
            anchors: pem::encode_certificates(&[authority(&root_name, 1, &root_name, 1)]).into(),
            issuer_chain: pem::encode_certificates(&[authority(&name, 2, &root_name, 1)]).into(),
            issuer_key: Zeroizing::new(key::ed25519_pem(&[2; 32]).as_bytes().to_vec()),
        };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let bundle = Bundle::load(&parts, now).unwrap();
        let public_key = PublicKey::from(&PrivateKey::ed25519(&[3; 32]).unwrap());
        let trust_domain = identity_core::TrustDomain::new("public").unwrap();
        let workload = identity_core::Workload::new(trust_domain, "default", "app");
        let order = Order {
            public_key: &public_key,
            workload: &workload,
            dns: &[],
            images: &[],
        };
        let terms = Terms {
            ttl: GoDuration::from_secs(60),
            skew: GoDuration::from_secs(0),
        };
        let issued = bundle.issue(&order, terms, now, [4; 16]).unwrap();
        let leaf = chain::parse(&issued.chain[0]).unwrap();
        assert_eq!(leaf.issuer().as_raw(), name);
        let after = chain::parse(&issued.chain[1]).unwrap();
        assert_eq!(chain::not_after(&after).to_string(), "2060-01-01T00:00:00Z");
        assert!(chain::subject_key_id(&after).is_none());
        let oids = leaf
            .extensions()
            .iter()
            .map(|extension| extension.oid.to_id_string());
        assert!(
            oids.eq(["2.5.29.15", "2.5.29.37", "2.5.29.17"]),
            "no key id to refer to"
        );
    }
}
