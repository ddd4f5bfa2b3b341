//! A new certificate authority: one root, whose key is forgotten, and one issuer below it.

use config::GoDuration;
use identity_core::{TrustDomain, Workload};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::{
    bundle::Parts,
    issue::WriteError,
    key::{self, PrivateKey},
    pem,
    x509::{
        extension::{Extension, KeyUsage},
        template::{self, Template},
    },
};

/// How long a generated root and issuer live.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What sentry calls itself in its SPIFFE ID.
pub const SENTRY_APP_ID: &str = "dapr-sentry";

/// What of a new authority must be unpredictable; from a secure source of randomness.
pub struct Entropy {
    /// Makes the root's Ed25519 key.
    pub root_seed: Zeroizing<[u8; 32]>,
    /// Makes the issuer's Ed25519 key.
    pub issuer_seed: Zeroizing<[u8; 32]>,
    /// Serial number of the root.
    pub root_serial: [u8; 16],
    /// Serial number of the issuer.
    pub issuer_serial: [u8; 16],
}

/// Makes a new authority of the trust domain for the sentry of `namespace`, back-dated by `skew`.
///
/// The root's key is dropped: nobody can ever sign with it again.
///
/// # Errors
/// If the times can't be written, or the library refuses to sign.
pub fn generate(
    trust_domain: &TrustDomain,
    namespace: &str,
    skew: GoDuration,
    now: Timestamp,
    entropy: &Entropy,
) -> Result<Parts, WriteError> {
    let root_key = PrivateKey::ed25519(&entropy.root_seed)?;
    let issuer_key = PrivateKey::ed25519(&entropy.issuer_seed)?;
    let root_name = template::organisation(trust_domain.as_str());
    let issuer_name = template::organisation(&issuer_id(trust_domain, namespace));
    let authority = |serial, subject, key: &PrivateKey, usages: &[KeyUsage]| {
        let authority = Authority {
            serial,
            issuer: &root_name,
            subject,
            usages,
            skew,
            now,
        };
        authority.sign(key, &root_key)
    };
    let root_usages = [KeyUsage::DigitalSignature, KeyUsage::KeyCertSign];
    let issuer_usages = [
        KeyUsage::DigitalSignature,
        KeyUsage::KeyCertSign,
        KeyUsage::CrlSign,
    ];
    let root = authority(entropy.root_serial, &root_name, &root_key, &root_usages)?;
    let issuer = authority(
        entropy.issuer_serial,
        &issuer_name,
        &issuer_key,
        &issuer_usages,
    )?;
    let key_pem = key::ed25519_pem(&entropy.issuer_seed);
    Ok(Parts {
        anchors: pem::encode_certificates(&[root]).into(),
        issuer_chain: pem::encode_certificates(&[issuer]).into(),
        issuer_key: Zeroizing::new(key_pem.as_bytes().to_vec()),
    })
}

/// The issuer's organisation is sentry's SPIFFE ID; a namespace that makes no SPIFFE ID is caught
/// when sentry asks for its own identity.
fn issuer_id(trust_domain: &TrustDomain, namespace: &str) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/{SENTRY_APP_ID}")
}

/// Sentry as a workload of its own trust domain.
pub fn sentry(trust_domain: &TrustDomain, namespace: &str) -> Workload {
    Workload::new(trust_domain.clone(), namespace, SENTRY_APP_ID)
}

struct Authority<'a> {
    serial: [u8; 16],
    issuer: &'a [u8],
    subject: &'a [u8],
    usages: &'a [KeyUsage],
    skew: GoDuration,
    now: Timestamp,
}

impl Authority<'_> {
    /// No authority key identifier: the original writes none, and peers need none.
    fn sign(
        &self,
        own: &PrivateKey,
        signer: &PrivateKey,
    ) -> Result<CertificateDer<'static>, WriteError> {
        let template = Template {
            serial: self.serial,
            issuer: self.issuer,
            subject: self.subject,
            not_before: template::shifted(self.now, -self.skew.as_nanos())?,
            not_after: self
                .now
                .checked_add(LIFETIME)
                .map_err(|_| WriteError::Time(self.now))?,
            public_key: &own.public_key_info(),
            extensions: vec![
                Extension::key_usage(self.usages),
                Extension::authority(),
                Extension::subject_key_id(own.public_key_bits()),
            ],
        };
        template.sign(signer)
    }
}
