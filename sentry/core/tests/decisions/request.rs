//! Signing requests, good and bad.

use crate::common::request;
use proptest::prelude::*;
use rstest::rstest;
use sentry_core::{PublicKey, RequestError, pem};

fn der(request: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject as _;
    rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(request.as_bytes())
        .unwrap()
        .to_vec()
}

#[rstest]
#[case::nothing(String::new())]
#[case::text("hello".to_owned())]
#[case::key(pem::encode("PRIVATE KEY", &[1, 2, 3]))]
#[case::cut("-----BEGIN CERTIFICATE REQUEST-----\nMIIB".to_owned())]
fn refuses_what_is_no_block(#[case] text: String) {
    let error = PublicKey::from_request(text.as_bytes()).unwrap_err();
    assert!(matches!(error, RequestError::Pem));
    assert_eq!(error.to_string(), "invalid certificate signing request");
}

#[test]
fn refuses_what_is_no_request() {
    let text = pem::encode("CERTIFICATE REQUEST", b"hello");
    let error = PublicKey::from_request(text.as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("failed to parse certificate signing request: ")
    );
}

#[test]
fn takes_the_label_of_old_sidecars_and_ignores_what_follows() {
    let request = request(&rcgen::PKCS_ECDSA_P256_SHA256);
    let old = request.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    let key = PublicKey::from_request(format!("{old}trailing").as_bytes()).unwrap();
    assert_eq!(key, PublicKey::from_request(request.as_bytes()).unwrap());
}

#[rstest]
#[case::ed25519(&rcgen::PKCS_ED25519)]
#[case::p256(&rcgen::PKCS_ECDSA_P256_SHA256)]
#[case::rsa(&rcgen::PKCS_RSA_SHA256)]
fn refuses_a_request_that_its_key_did_not_sign(
    #[case] algorithm: &'static rcgen::SignatureAlgorithm,
) {
    let mut der = der(&request(algorithm));
    let last = der.len() - 1;
    der[last] ^= 1;
    let text = pem::encode("CERTIFICATE REQUEST", &der);
    let error = PublicKey::from_request(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "invalid signature");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(PublicKey::from_request(&bytes).is_err());
        let text = pem::encode("CERTIFICATE REQUEST", &bytes);
        prop_assert!(PublicKey::from_request(text.as_bytes()).is_err());
    }

    /// A request with one byte changed anywhere is refused, or the byte did not matter (the frame
    /// around the signed part): it never gives another key.
    #[test]
    fn no_changed_byte_gives_another_key(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let request = request(&rcgen::PKCS_ED25519);
        let key = PublicKey::from_request(request.as_bytes()).unwrap();
        let mut der = der(&request);
        let at = at.index(der.len());
        der[at] ^= flip;
        let text = pem::encode("CERTIFICATE REQUEST", &der);
        if let Ok(found) = PublicKey::from_request(text.as_bytes()) {
            prop_assert_eq!(found, key);
        }
    }
}
