//! What several tests need: an authority, and requests to it.

use config::GoDuration;
use identity_core::{TrustDomain, Workload};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SignatureAlgorithm};
use sentry_core::{
    Bundle, Issued, Order, Parts, PublicKey, Terms,
    generate::{Entropy, LIFETIME, Profile},
};
use zeroize::Zeroizing;

pub(crate) const SKEW: GoDuration = GoDuration::from_secs(15 * 60);
pub(crate) const TERMS: Terms = Terms {
    ttl: GoDuration::from_secs(24 * 3600),
    skew: SKEW,
};

pub(crate) fn now() -> Timestamp {
    "2026-02-03T04:05:06.789Z".parse().unwrap()
}

pub(crate) fn parts() -> Parts {
    parts_of("cluster.local", 1)
}

pub(crate) fn parts_of(trust_domain: &str, seed: u8) -> Parts {
    let entropy = Entropy {
        root_seed: Zeroizing::new([seed; 32]),
        issuer_seed: Zeroizing::new([seed.wrapping_add(100); 32]),
        root_serial: [seed; 16],
        issuer_serial: [seed.wrapping_add(100); 16],
    };
    let trust_domain = TrustDomain::new(trust_domain).unwrap();
    let profile = Profile {
        trust_domain,
        namespace: "dapr-system".to_owned(),
        skew: SKEW,
        lifetime: LIFETIME,
    };
    profile.generate(now(), &entropy).unwrap()
}

pub(crate) fn bundle() -> Bundle {
    Bundle::load(&parts(), now()).unwrap()
}

/// A signing request with a name that must never reach the certificate.
pub(crate) fn request(algorithm: &'static SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "example.com");
    params.serialize_request(&key).unwrap().pem().unwrap()
}

pub(crate) fn public_key() -> PublicKey {
    PublicKey::from_request(request(&rcgen::PKCS_ED25519).as_bytes()).unwrap()
}

pub(crate) fn workload(namespace: &str, app_id: &str) -> Workload {
    Workload::new(TrustDomain::new("public").unwrap(), namespace, app_id)
}

pub(crate) fn issue(bundle: &Bundle, key: &PublicKey, terms: Terms) -> Issued {
    let workload = workload("default", "myapp");
    let order = Order {
        public_key: key,
        workload: &workload,
        dns: &[],
        images: &[],
    };
    bundle.issue(&order, terms, now(), [9; 16]).unwrap()
}
