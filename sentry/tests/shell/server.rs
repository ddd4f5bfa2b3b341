//! Codes and texts of `SignCertificate`.

use std::sync::Arc;

use config::GoDuration;
use identity_core::TrustDomain;
use proptest::prelude::*;
use prost::Message as _;
use proto::sentry::v1::{SignCertificateRequest, SignCertificateResponse, ca_server::Ca as _};
use rcgen::{CertificateParams, KeyPair};
use sentry::{
    authority::Authority, metrics::Metrics, owner::Owner, server::Signer, validators::Validators,
};
use sentry_core::{Terms, pem, settings::Method};
use tempfile::TempDir;
use tonic::{Code, Request, Status};

use crate::authority::{files, owner};

pub(crate) async fn signer(folder: &TempDir, default: Option<Method>) -> Signer {
    signer_of(folder, default, owner()).await
}

pub(crate) async fn signer_of(folder: &TempDir, default: Option<Method>, owner: Owner) -> Signer {
    let authority = Authority::open(files(folder), owner, Metrics::default())
        .await
        .unwrap();
    Signer {
        authority: Arc::new(authority),
        validators: Validators {
            default,
            insecure: default.is_some(),
            kubernetes: None,
            jwks: None,
        },
        terms: Terms {
            ttl: GoDuration::from_secs(3600),
            skew: GoDuration::from_secs(900),
        },
        namespace: "dapr-system".to_owned(),
        domain: "cluster.local".to_owned(),
        metrics: Metrics::default(),
    }
}

pub(crate) fn request() -> SignCertificateRequest {
    request_of(&rcgen::PKCS_RSA_SHA256)
}

fn request_of(kind: &'static rcgen::SignatureAlgorithm) -> SignCertificateRequest {
    let key = KeyPair::generate_for(kind).unwrap();
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .pem()
        .unwrap();
    SignCertificateRequest {
        id: "myapp".to_owned(),
        namespace: "default".to_owned(),
        certificate_signing_request: csr.into_bytes(),
        ..SignCertificateRequest::default()
    }
}

async fn ask(
    default: Option<Method>,
    change: impl FnOnce(&mut SignCertificateRequest),
) -> Result<SignCertificateResponse, Status> {
    let folder = TempDir::new().unwrap();
    let mut request = request();
    change(&mut request);
    let answer = signer(&folder, default)
        .await
        .sign_certificate(Request::new(request))
        .await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn answers_with_chain_anchors_and_end() {
    let answer = ask(Some(Method::Insecure), |_| ()).await.unwrap();
    let chain = pem::certificates(&answer.workload_certificate).unwrap();
    assert_eq!(chain.len(), 2);
    let id = identity_core::svid::peer_id(&chain[0]).unwrap();
    assert_eq!(id.to_string(), "spiffe://public/ns/default/myapp");
    assert_eq!(answer.trust_chain_certificates.len(), 1);
    assert_eq!(
        pem::certificates(&answer.trust_chain_certificates[0])
            .unwrap()
            .len(),
        1
    );
    let (_, end) = identity_core::svid::validity(&chain[0]).unwrap();
    assert_eq!(answer.valid_until.unwrap().seconds, end);
    assert!(answer.jwt.is_none() && answer.per_audience_jwts.is_empty());
}

#[tokio::test]
async fn grants_the_wished_domain_when_insecure() {
    let answer = ask(Some(Method::Insecure), |request| {
        request.token_validator = 1;
        request.trust_domain = "corp".to_owned();
    });
    let chain = pem::certificates(&answer.await.unwrap().workload_certificate).unwrap();
    let id = identity_core::svid::peer_id(&chain[0]).unwrap();
    assert_eq!(id.trust_domain(), &TrustDomain::new("corp").unwrap());
}

#[tokio::test]
async fn refuses_with_the_codes_that_clients_know() {
    type Change = fn(&mut SignCertificateRequest);
    let cases: [(Change, Code, &str); 9] = [
        (
            |r| r.token_validator = -1,
            Code::InvalidArgument,
            "not enabled",
        ),
        (
            |r| r.token_validator = 2,
            Code::InvalidArgument,
            "not enabled",
        ),
        (
            |r| r.token_validator = 3,
            Code::InvalidArgument,
            "not enabled",
        ),
        (
            |r| r.certificate_signing_request.clear(),
            Code::PermissionDenied,
            "CSR is required",
        ),
        (
            |r| r.namespace.clear(),
            Code::PermissionDenied,
            "namespace is required",
        ),
        (
            |r| r.id = "a".repeat(65),
            Code::PermissionDenied,
            "app ID must be 64 characters or less",
        ),
        (
            |r| r.certificate_signing_request = pem::encode("PRIVATE KEY", &[1]).into(),
            Code::InvalidArgument,
            "invalid certificate signing request",
        ),
        (
            |r| r.trust_domain = "a b".to_owned(),
            Code::PermissionDenied,
            "trust domain",
        ),
        (
            |r| r.id = "a:b".to_owned(),
            Code::Internal,
            "failed to sign certificate",
        ),
    ];
    for (change, code, text) in cases {
        let status = ask(Some(Method::Insecure), change).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status}");
    }
}

#[tokio::test]
async fn asks_for_a_validator_where_there_is_no_default() {
    let status = ask(None, |request| request.certificate_signing_request.clear())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "a validator name must be specified in this environment"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Calls damaged on the wire: an answer, or a refusal that clients know; never a panic, and
    /// never a failure of sentry's own.
    #[test]
    fn answers_whatever_comes_over_the_wire(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        validator in -1..5_i32,
    ) {
        let call = SignCertificateRequest {
            token_validator: validator,
            token: "a.b.c".to_owned(),
            trust_domain: "corp".to_owned(),
            jwt_audiences: vec!["a".to_owned()],
            ..request_of(&rcgen::PKCS_ED25519)
        };
        let mut bytes = call.encode_to_vec();
        for (at, byte) in places {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(call) = SignCertificateRequest::decode(bytes.as_slice()) else {
            return Ok(());
        };
        let answered = SIGNER.with(|(runtime, signer)| {
            runtime.block_on(signer.sign_certificate(Request::new(call.clone())))
        });
        match answered.map_err(|status| status.code()) {
            Ok(answer) => {
                let chain = pem::certificates(&answer.into_inner().workload_certificate).unwrap();
                let id = identity_core::svid::peer_id(&chain[0]).unwrap();
                let path = format!("/ns/{}/{}", call.namespace, call.id);
                prop_assert!(id.to_string().ends_with(&path));
            }
            // What makes no SPIFFE ID fails where it is signed, as in the original.
            Err(Code::Internal) => {
                prop_assert!(identity_core::Workload::new(
                    TrustDomain::new("corp").unwrap(), &*call.namespace, &*call.id,
                ).spiffe_id().is_err());
            }
            Err(code) => prop_assert!(
                matches!(code, Code::InvalidArgument | Code::PermissionDenied), "{code:?}"
            ),
        }
    }
}

thread_local! {
    static SIGNER: (tokio::runtime::Runtime, Signer) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = TempDir::new().unwrap();
        let signer = runtime.block_on(signer(&folder, Some(Method::Insecure)));
        (runtime, signer)
    };
}
