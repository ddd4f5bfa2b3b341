//! A new certificate authority: one root, whose key is forgotten, and one issuer below it.

use config::GoDuration;
use identity_core::{TrustDomain, Workload};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, x509::AttributeTypeAndValue};
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

/// How long a generated root and issuer live, where nothing else is said.
pub const LIFETIME: GoDuration = GoDuration::from_secs(365 * 24 * 3600);

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

/// For whom authorities are made, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// Namespace of sentry.
    pub namespace: String,
    /// How far everything is back-dated.
    pub skew: GoDuration,
    /// From now to the end of root and issuer.
    pub lifetime: GoDuration,
}

/// The issuer's organisation is sentry's SPIFFE ID; a namespace that makes no SPIFFE ID is caught
/// when sentry asks for its own identity.
fn issuer_id(trust_domain: &TrustDomain, namespace: &str) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/{SENTRY_APP_ID}")
}

/// Whether an issuer was made by sentry, by Dapr's, or by the `dapr` command, which all give it
/// the same form of name. Anything else is the authority of somebody who looks after it.
pub(crate) fn is_self_made(issuer: &X509Certificate<'_>) -> bool {
    let is_own = |name: &str| name.starts_with("spiffe://") && name.ends_with("/dapr-sentry");
    let mut names = issuer.subject().iter_organization();
    let first = names.next().map(AttributeTypeAndValue::as_str);
    match (first, names.next()) {
        (Some(Ok(name)), None) => is_own(name) && issuer.subject().iter().count() == 1,
        _ => false,
    }
}

/// Sentry as a workload of its own trust domain.
pub fn sentry(trust_domain: &TrustDomain, namespace: &str) -> Workload {
    Workload::new(trust_domain.clone(), namespace, SENTRY_APP_ID)
}

// === impl Profile ===

impl Profile {
    /// Makes a new authority: one root and one issuer below it.
    ///
    /// The root's key is dropped: nobody can ever sign with it again.
    ///
    /// # Errors
    /// If the times can't be written, or the library refuses to sign.
    pub fn generate(&self, now: Timestamp, entropy: &Entropy) -> Result<Parts, WriteError> {
        let root_key = PrivateKey::ed25519(&entropy.root_seed)?;
        let issuer_key = PrivateKey::ed25519(&entropy.issuer_seed)?;
        let root_name = template::organisation(self.trust_domain.as_str());
        let issuer_name = template::organisation(&issuer_id(&self.trust_domain, &self.namespace));
        let root = Authority {
            serial: entropy.root_serial,
            issuer: &root_name,
            subject: &root_name,
            usages: &[KeyUsage::DigitalSignature, KeyUsage::KeyCertSign],
        };
        let issuer = Authority {
            serial: entropy.issuer_serial,
            issuer: &root_name,
            subject: &issuer_name,
            usages: &[
                KeyUsage::DigitalSignature,
                KeyUsage::KeyCertSign,
                KeyUsage::CrlSign,
            ],
        };
        let anchors = [self.sign(&root, now, &root_key, &root_key)?];
        let chain = [self.sign(&issuer, now, &issuer_key, &root_key)?];
        let key_pem = key::ed25519_pem(&entropy.issuer_seed);
        Ok(Parts {
            anchors: pem::encode_certificates(&anchors).into(),
            issuer_chain: pem::encode_certificates(&chain).into(),
            issuer_key: Zeroizing::new(key_pem.as_bytes().to_vec()),
        })
    }

    /// An issuer names its root's key, which the original does not: roots that follow each other
    /// have one name, and OpenSSL takes the first of that name unless the key is named.
    fn sign(
        &self,
        authority: &Authority<'_>,
        now: Timestamp,
        own: &PrivateKey,
        signer: &PrivateKey,
    ) -> Result<CertificateDer<'static>, WriteError> {
        let mut extensions = vec![
            Extension::key_usage(authority.usages),
            Extension::authority(),
            Extension::subject_key_id(own.public_key_bits()),
        ];
        if authority.issuer != authority.subject {
            extensions.push(Extension::signer_key_id(signer.public_key_bits()));
        }
        let template = Template {
            serial: authority.serial,
            issuer: authority.issuer,
            subject: authority.subject,
            not_before: template::shifted(now, -self.skew.as_nanos())?,
            not_after: template::shifted(now, self.lifetime.as_nanos())?,
            public_key: &own.public_key_info(),
            extensions,
        };
        template.sign(signer)
    }
}

struct Authority<'a> {
    serial: [u8; 16],
    issuer: &'a [u8],
    subject: &'a [u8],
    usages: &'a [KeyUsage],
}
