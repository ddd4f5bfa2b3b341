//! The certificates that sentry writes, field by field (Dapr: `pkg/sentry/server/ca`).

use crate::common::{SKEW, TERMS, bundle, issue, now, parts, public_key, request, workload};
use config::GoDuration;
use identity_core::svid;
use jiff::SignedDuration;
use proptest::prelude::*;
use rstest::rstest;
use sentry_core::{IssueError, Order, PublicKey, Terms, images, images::Image, pem};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer as _, X509Certificate},
};

fn oids(certificate: &X509Certificate<'_>) -> Vec<(String, bool)> {
    let extensions = certificate.extensions().iter();
    extensions
        .map(|extension| (extension.oid.to_id_string(), extension.critical))
        .collect()
}

#[test]
fn writes_the_profile_of_a_workload() {
    let (bundle, key) = (bundle(), public_key());
    let issued = issue(&bundle, &key, TERMS);
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    let (_, by) = X509Certificate::from_der(&issued.chain[1]).unwrap();
    assert_eq!(issued.chain.len(), 2, "the root is not handed out");
    assert_eq!(leaf.version().0, 2);
    assert_eq!(leaf.raw_serial(), [9; 16]);
    assert_eq!(leaf.subject().iter().count(), 0);
    assert_eq!(leaf.issuer().as_raw(), by.subject().as_raw());
    assert_eq!(leaf.public_key().raw, key.der());
    assert_eq!(
        leaf.validity().not_before.timestamp(),
        now().as_second() - 15 * 60
    );
    assert_eq!(
        leaf.validity().not_after.timestamp(),
        now().as_second() + 24 * 3600
    );
    assert_eq!(
        issued.not_after.as_second(),
        leaf.validity().not_after.timestamp()
    );
    let expected = [
        ("2.5.29.15", true),
        ("2.5.29.37", false),
        ("2.5.29.35", false),
        ("2.5.29.17", true),
    ];
    assert_eq!(
        oids(&leaf),
        expected.map(|(oid, critical)| (oid.to_owned(), critical))
    );
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.flags.is_power_of_two());
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && purposes.client_auth);
    assert_eq!(
        svid::peer_id(&issued.chain[0]).unwrap().to_string(),
        "spiffe://public/ns/default/myapp"
    );
    leaf.verify_signature(Some(by.public_key())).unwrap();
}

#[test]
fn writes_the_profiles_of_root_and_issuer() {
    let parts = parts();
    let root = pem::certificates(&parts.anchors).unwrap();
    let issuer = pem::certificates(&parts.issuer_chain).unwrap();
    let (_, root) = X509Certificate::from_der(&root[0]).unwrap();
    let (_, issuer) = X509Certificate::from_der(&issuer[0]).unwrap();
    assert_eq!(root.subject().to_string(), "O=cluster.local");
    assert_eq!(
        issuer.subject().to_string(),
        "O=spiffe://cluster.local/ns/dapr-system/dapr-sentry"
    );
    let extensions = [
        ("2.5.29.15", true),
        ("2.5.29.19", true),
        ("2.5.29.14", false),
        ("2.5.29.35", false),
    ]
    .map(|(oid, critical)| (oid.to_owned(), critical));
    for (certificate, count) in [(&root, 3), (&issuer, 4)] {
        assert_eq!(oids(certificate), extensions[..count]);
        assert_eq!(
            certificate.validity().not_before.timestamp(),
            now().as_second() - 15 * 60
        );
        let year = now()
            .checked_add(SignedDuration::from_hours(365 * 24))
            .unwrap();
        assert_eq!(
            certificate.validity().not_after.timestamp(),
            year.as_second()
        );
        assert!(
            certificate
                .basic_constraints()
                .unwrap()
                .unwrap()
                .value
                .path_len_constraint
                .is_none()
        );
    }
    let usage = |certificate: &X509Certificate<'_>| {
        certificate.key_usage().unwrap().unwrap().value.to_string()
    };
    assert_eq!(usage(&root), "Digital Signature, Key Cert Sign");
    assert_eq!(usage(&issuer), "Digital Signature, Key Cert Sign, CRL Sign");
    root.verify_signature(None).unwrap();
    issuer.verify_signature(Some(root.public_key())).unwrap();
}

/// Roots that follow each other have one name, and a verifier may go by their keys' names alone.
#[test]
fn names_each_signers_key_as_the_signer_names_it() {
    let issued = issue(&bundle(), &public_key(), TERMS);
    let roots = pem::certificates(&parts().anchors).unwrap();
    let chain = [&issued.chain[0], &issued.chain[1], &roots[0]];
    for (signed, by) in [(chain[0], chain[1]), (chain[1], chain[2])] {
        let (_, signed) = X509Certificate::from_der(signed).unwrap();
        let (_, by) = X509Certificate::from_der(by).unwrap();
        let authority = find(&signed, |extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.clone(),
            _ => None,
        });
        let subject = find(&by, |extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.clone()),
            _ => None,
        });
        assert_eq!(authority.as_ref().unwrap().0.len(), 20);
        assert_eq!(authority, subject);
    }
}

fn find<'a, T>(
    certificate: &X509Certificate<'a>,
    which: impl Fn(&ParsedExtension<'a>) -> Option<T>,
) -> Option<T> {
    let mut extensions = certificate.iter_extensions();
    extensions.find_map(|extension| which(extension.parsed_extension()))
}

#[test]
fn puts_host_names_before_the_id() {
    let (bundle, key, workload) = (bundle(), public_key(), workload("ns", "dapr-operator"));
    let dns = ["dapr-webhook.ns.svc".to_owned()];
    let order = Order {
        public_key: &key,
        workload: &workload,
        dns: &dns,
        images: &[],
    };
    let issued = bundle.issue(&order, TERMS, now(), [1; 16]).unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    let expected = [
        GeneralName::DNSName("dapr-webhook.ns.svc"),
        GeneralName::URI("spiffe://public/ns/ns/dapr-operator"),
    ];
    assert_eq!(names.value.general_names, expected);
}

#[test]
fn wraps_images_in_an_octet_string() {
    let (bundle, key, workload) = (bundle(), public_key(), workload("ns", "app"));
    let images = [
        Image::new("daprd", "daprio/daprd", "x@sha256:1"),
        Image::new("app", "a", ""),
    ];
    let order = Order {
        public_key: &key,
        workload: &workload,
        dns: &[],
        images: &images,
    };
    let issued = bundle.issue(&order, TERMS, now(), [1; 16]).unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    let oid = images::OID
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(".");
    let extension = leaf
        .extensions()
        .iter()
        .find(|found| found.oid.to_id_string() == oid)
        .unwrap();
    assert!(!extension.critical);
    let json = serde_json::to_vec(&images).unwrap();
    assert_eq!(
        extension.value[..2],
        [0x04, 0x81],
        "an octet string of more than 127 bytes"
    );
    assert_eq!(extension.value[3..], json);
}

#[test]
fn never_outlives_its_issuer() {
    let (bundle, key) = (bundle(), public_key());
    let long = Terms {
        ttl: GoDuration::from_secs(500 * 24 * 3600),
        skew: SKEW,
    };
    let issued = issue(&bundle, &key, long);
    assert_eq!(
        issued.not_after.as_second(),
        bundle.issuer_not_after().as_second()
    );
    let workload = workload("default", "myapp");
    let order = Order {
        public_key: &key,
        workload: &workload,
        dns: &[],
        images: &[],
    };
    let late = bundle.issuer_not_after();
    let refused = bundle.issue(&order, TERMS, late, [1; 16]);
    assert!(matches!(refused, Err(IssueError::Expired(_))));
}

/// daprd renews at half of the validity; were that in the past, it would never stop asking.
#[rstest]
#[case::hours(20 * 3600)]
#[case::minutes(13 * 60)]
#[case::seconds(9)]
fn leaves_time_until_the_renewal_of_a_certificate_cut_short(#[case] left: i64) {
    let bundle = bundle();
    let at = bundle.issuer_not_after() - SignedDuration::from_secs(left);
    let (key, workload) = (public_key(), workload("default", "myapp"));
    let order = Order {
        public_key: &key,
        workload: &workload,
        dns: &[],
        images: &[],
    };
    let issued = bundle.issue(&order, TERMS, at, [1; 16]).unwrap();
    let half = issued.not_after.duration_since(issued.not_before) / 2;
    let wait = (issued.not_before + half).duration_since(at);
    assert!(wait.as_secs() >= left / 4, "{wait}");
    assert!(issued.not_before <= at);
}

#[rstest]
#[case::colon("a:b", "default")]
#[case::empty("", "default")]
#[case::slash("a/b", "default")]
#[case::dots("..", "default")]
#[case::no_namespace("app", "")]
#[case::bad_namespace("app", "a b")]
fn refuses_what_makes_no_id(#[case] app_id: &str, #[case] namespace: &str) {
    let (bundle, key, workload) = (bundle(), public_key(), workload(namespace, app_id));
    let order = Order {
        public_key: &key,
        workload: &workload,
        dns: &[],
        images: &[],
    };
    let refused = bundle.issue(&order, TERMS, now(), [1; 16]);
    assert!(matches!(refused, Err(IssueError::Identity(_))));
}

#[rstest]
#[case::ed25519(&rcgen::PKCS_ED25519)]
#[case::p256(&rcgen::PKCS_ECDSA_P256_SHA256)]
#[case::p384(&rcgen::PKCS_ECDSA_P384_SHA384)]
#[case::p521(&rcgen::PKCS_ECDSA_P521_SHA512)]
#[case::rsa(&rcgen::PKCS_RSA_SHA256)]
#[case::rsa512(&rcgen::PKCS_RSA_SHA512)]
fn takes_every_kind_of_key(#[case] algorithm: &'static rcgen::SignatureAlgorithm) {
    let key = PublicKey::from_request(request(algorithm).as_bytes()).unwrap();
    let issued = issue(&bundle(), &key, TERMS);
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    assert_eq!(leaf.public_key().raw, key.der());
    assert!(!issued.pem().contains("example.com"));
}

proptest! {
    /// Lifetimes of any length give a certificate or an error, and never one past the issuer.
    #[test]
    fn keeps_within_bounds(ttl in any::<i64>(), skew in any::<i64>(), serial in any::<[u8; 16]>()) {
        let (bundle, key, workload) = (bundle(), public_key(), workload("default", "app"));
        let order = Order { public_key: &key, workload: &workload, dns: &[], images: &[] };
        let terms = Terms { ttl: GoDuration::from_nanos(ttl), skew: GoDuration::from_nanos(skew) };
        if let Ok(issued) = bundle.issue(&order, terms, now(), serial) {
            prop_assert!(issued.not_after <= bundle.path_not_after());
            let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
            let number = serial.iter().position(|byte| *byte != 0).map_or(&serial[15..], |at| &serial[at..]);
            prop_assert_eq!(leaf.serial.to_bytes_be(), number);
        }
    }
}
