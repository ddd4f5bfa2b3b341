//! Bundles that users bring, good and bad.

use crate::common::{TERMS, issue, now, parts, parts_of, public_key};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SignatureAlgorithm,
};
use rstest::rstest;
use sentry_core::{Bundle, BundleError, Parts};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

/// An authority as a user's own tools make it.
struct Own {
    params: CertificateParams,
    key: KeyPair,
}

impl Own {
    fn new(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self {
            params,
            key: KeyPair::generate_for(algorithm).unwrap(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    fn root(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn below(&self, issuer: &Self) -> String {
        let issuer = Issuer::from_params(&issuer.params, &issuer.key);
        self.params.signed_by(&self.key, &issuer).unwrap().pem()
    }

    fn key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.key.serialize_pem().into_bytes())
    }
}

fn load(anchors: &str, chain: &str, key: Zeroizing<Vec<u8>>) -> Result<Bundle, BundleError> {
    let parts = Parts {
        anchors: anchors.into(),
        issuer_chain: chain.into(),
        issuer_key: key,
    };
    Bundle::load(&parts, now())
}

const KINDS: [&SignatureAlgorithm; 5] = [
    &rcgen::PKCS_ED25519,
    &rcgen::PKCS_ECDSA_P256_SHA256,
    &rcgen::PKCS_ECDSA_P384_SHA384,
    &rcgen::PKCS_ECDSA_P521_SHA512,
    &rcgen::PKCS_RSA_SHA256,
];

#[test]
fn signs_with_every_mix_of_keys() {
    for (at, kind) in KINDS.into_iter().enumerate() {
        let root = Own::new("root", KINDS[(at + 1) % KINDS.len()]);
        let issuer = Own::new("issuer", kind);
        let bundle = load(&root.root(), &issuer.below(&root), issuer.key()).unwrap();
        let answer = issue(&bundle, &public_key(), TERMS);
        let (_, leaf) = X509Certificate::from_der(&answer.chain[0]).unwrap();
        let (_, by) = X509Certificate::from_der(&answer.chain[1]).unwrap();
        if kind != &rcgen::PKCS_ECDSA_P521_SHA512 {
            // x509-parser does not verify P-521.
            leaf.verify_signature(Some(by.public_key())).unwrap();
        }
    }
}

#[test]
fn takes_a_long_chain_with_its_root_and_comments() {
    let root = Own::new("root", &rcgen::PKCS_ED25519);
    let middle = Own::new("middle", &rcgen::PKCS_ED25519);
    let issuer = Own::new("issuer", &rcgen::PKCS_ED25519);
    let chain = format!(
        "# issuer\n{}{}{}",
        issuer.below(&middle),
        middle.below(&root),
        root.root()
    );
    let anchors = format!(
        "# ours\n{}\n{}",
        root.root(),
        Own::new("next", &rcgen::PKCS_ED25519).root()
    );
    let bundle = load(&anchors, &chain, issuer.key()).unwrap();
    assert_eq!(issue(&bundle, &public_key(), TERMS).chain.len(), 3);
    assert_eq!(bundle.anchors_pem().matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!bundle.anchors_pem().contains('#'));
}

#[test]
fn takes_an_issuer_that_ends_in_a_cross_certificate() {
    let old = Own::new("old", &rcgen::PKCS_ED25519);
    let new = Own::new("new", &rcgen::PKCS_ED25519);
    let issuer = Own::new("issuer", &rcgen::PKCS_ED25519);
    let chain = format!("{}{}", issuer.below(&new), new.below(&old));
    for anchors in [old.root(), new.root()] {
        let bundle = load(&anchors, &chain, issuer.key()).unwrap();
        assert_eq!(issue(&bundle, &public_key(), TERMS).chain.len(), 3);
    }
}

#[rstest]
#[case::anchors(|parts: &mut Parts| parts.anchors.clear(), "AnchorsPem")]
#[case::chain(|parts: &mut Parts| parts.issuer_chain.clear(), "ChainPem")]
#[case::key(|parts: &mut Parts| parts.issuer_key.clear(), "Key")]
fn refuses_missing_texts(#[case] change: fn(&mut Parts), #[case] expected: &str) {
    let mut parts = parts();
    change(&mut parts);
    let error = format!("{:?}", Bundle::load(&parts, now()).unwrap_err());
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn refuses_what_does_not_fit_together() {
    let (root, other) = (
        Own::new("root", &rcgen::PKCS_ED25519),
        Own::new("root", &rcgen::PKCS_ED25519),
    );
    let issuer = Own::new("issuer", &rcgen::PKCS_ED25519);
    let (chain, anchors) = (issuer.below(&root), root.root());
    let refused = |anchors: &str, chain: &str, key| load(anchors, chain, key).unwrap_err();
    assert!(matches!(
        refused(&anchors, &chain, other.key()),
        BundleError::Mismatch
    ));
    assert!(matches!(
        refused(&other.root(), &chain, issuer.key()),
        BundleError::Path(_)
    ));
    assert!(matches!(
        refused(&chain, &chain, issuer.key()),
        BundleError::Anchor(1, _)
    ));
    let turned = format!("{}{chain}", root.root());
    assert!(matches!(
        refused(&anchors, &turned, issuer.key()),
        BundleError::Order(1, _)
    ));
    assert!(matches!(
        refused(&anchors, &anchors, root.key()),
        BundleError::Path(_) | BundleError::SelfSignedIssuer
    ));
}

#[test]
fn refuses_what_peers_would_refuse() {
    let root = Own::new("root", &rcgen::PKCS_ED25519);
    let refused = |root: &Own, change: fn(&mut CertificateParams)| {
        let issuer = Own::new("issuer", &rcgen::PKCS_ED25519).with(change);
        load(&root.root(), &issuer.below(root), issuer.key()).unwrap_err()
    };
    let leaf = refused(&root, |params| params.is_ca = IsCa::NoCa);
    assert!(matches!(leaf, BundleError::NotAuthority));
    let usage = refused(&root, |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert!(matches!(usage, BundleError::NotAuthority));
    let purpose = refused(&root, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    assert!(matches!(purpose, BundleError::Path(_)));
    let expired = refused(&root, |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    assert!(matches!(expired, BundleError::Path(_)));
    let future = refused(&root, |params| {
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
    });
    assert!(matches!(future, BundleError::Path(_)));
    let short = Own::new("root", &rcgen::PKCS_ED25519)
        .with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert!(matches!(refused(&short, |_| ()), BundleError::Path(_)));
}

#[test]
fn chooses_the_anchor_that_lasts_longest() {
    let root = Own::new("root", &rcgen::PKCS_ED25519);
    let (short, issuer) = (root.root(), Own::new("issuer", &rcgen::PKCS_ED25519));
    let chain = issuer.below(&root);
    let sooner = root.with(|params| params.not_after = rcgen::date_time_ymd(2026, 3, 1));
    let both = format!("{}{short}", sooner.root());
    let alone = load(&sooner.root(), &chain, issuer.key()).unwrap();
    let bundle = load(&both, &chain, issuer.key()).unwrap();
    assert_eq!(alone.path_not_after().to_string(), "2026-03-01T00:00:00Z");
    assert_eq!(bundle.path_not_after().to_string(), "4096-01-01T00:00:00Z");
}

#[test]
fn shows_no_key_in_debug() {
    let parts = parts();
    let bundle = Bundle::load(&parts, now()).unwrap();
    let shown = format!("{parts:?} {bundle:?}");
    assert!(
        shown.contains("PrivateKey(..)") && !shown.contains("PRIVATE KEY"),
        "{shown}"
    );
    assert!(!shown.contains("101, 101"), "the issuer's seed");
}

proptest! {
    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0..3_usize) {
        let mut parts = parts_of("cluster.local", 3);
        match which {
            0 => parts.anchors = bytes,
            1 => parts.issuer_chain = bytes,
            _ => parts.issuer_key = Zeroizing::new(bytes),
        }
        prop_assert!(Bundle::load(&parts, now()).is_err());
    }
}
