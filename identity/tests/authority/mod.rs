//! A certificate authority made for one test.

use std::time::{Duration, SystemTime};

use identity::{Svid, TrustAnchors};
use identity_core::TrustBundle;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType,
};
use rustls::pki_types::PrivateKeyDer;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::fixed(TrustBundle::from_pem(self.pem()).unwrap()).unwrap()
    }

    /// A certificate as PEM for a public key, good from now for `life`.
    pub(crate) fn sign(&self, key: &impl PublicKeyData, id: &str, life: Duration) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        params.not_before = SystemTime::now().into();
        params.not_after = (SystemTime::now() + life).into();
        params.signed_by(key, &self.0).unwrap().pem()
    }

    pub(crate) fn svid(&self, id: &str) -> Svid {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let chain = self.sign(&key, id, Duration::from_hours(1));
        Svid::from_pem(
            chain.as_bytes(),
            &PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap()
    }
}
