//! The client of sentry against a certificate authority over a real socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod authority;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use authority::Authority;
use identity::{
    Identity, KeyKind, Listener, Provider, Request, TrustAnchors,
    tls::{self, Clients},
};
use identity_core::{TrustBundle, TrustDomain};
use proto::sentry::v1::{
    SignCertificateRequest, SignCertificateResponse,
    ca_server::{Ca, CaServer},
};
use rcgen::CertificateSigningRequestParams;
use tokio_util::sync::CancellationToken;
use tonic::Status;

struct FakeSentry {
    authority: Arc<Authority>,
    life: Duration,
    refusals: u32,
    asked: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl Ca for FakeSentry {
    async fn sign_certificate(
        &self,
        request: tonic::Request<SignCertificateRequest>,
    ) -> Result<tonic::Response<SignCertificateResponse>, Status> {
        if self.asked.fetch_add(1, Ordering::SeqCst) < self.refusals {
            return Err(Status::permission_denied("not yet"));
        }
        let request = request.into_inner();
        let csr = String::from_utf8(request.certificate_signing_request).unwrap();
        let csr = CertificateSigningRequestParams::from_pem(&csr).unwrap();
        let id = format!(
            "spiffe://{}/ns/{}/{}",
            request.trust_domain, request.namespace, request.id
        );
        let chain = self.authority.sign(&csr.public_key, &id, self.life);
        let workload_certificate = chain.into_bytes();
        Ok(tonic::Response::new(SignCertificateResponse {
            workload_certificate,
            ..Default::default()
        }))
    }
}

/// Starts a sentry, and says where it is and how often it was asked.
async fn sentry(
    authority: &Arc<Authority>,
    life: Duration,
    refusals: u32,
) -> (String, Arc<AtomicU32>) {
    identity::install_crypto_provider();
    let identity = Identity::empty();
    identity.set(authority.svid("spiffe://td/ns/dapr-system/dapr-sentry"));
    let config = tls::server(&identity, Clients::Any, &[b"h2"]).unwrap();
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], Some(config))
        .await
        .unwrap();
    let (address, asked) = (listener.address().unwrap().to_string(), Arc::default());
    let fake = FakeSentry {
        authority: authority.clone(),
        life,
        refusals,
        asked: Arc::clone(&asked),
    };
    let server = tonic::transport::Server::builder().add_service(CaServer::new(fake));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(server.serve_with_incoming(listener.incoming()));
    (address, asked)
}

fn provider(sentry_address: String, key: KeyKind, anchors: TrustAnchors) -> Provider {
    let request = Request {
        app_id: "dapr-operator",
        namespace: "dapr-system".into(),
        trust_domain: TrustDomain::new("td").unwrap(),
        sentry_address,
        key,
        kubernetes: false,
    };
    Provider::new(request, anchors).unwrap()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen in 10 s");
}

#[tokio::test]
async fn gets_an_identity_with_an_rsa_key_after_a_refusal() {
    let authority = Arc::new(Authority::new());
    let (address, asked) = sentry(&authority, Duration::from_hours(1), 1).await;
    let provider = provider(address, KeyKind::Rsa2048, authority.anchors());
    let identity = provider.identity();
    tokio::select! {
        () = identity.ready() => {}
        () = provider.run(CancellationToken::new()) => panic!("the provider ended"),
    }
    let id = identity.current().unwrap().spiffe_id().to_string();
    assert_eq!(id, "spiffe://td/ns/dapr-system/dapr-operator");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn renews_before_the_end() {
    let authority = Arc::new(Authority::new());
    let (address, asked) = sentry(&authority, Duration::from_secs(2), 0).await;
    let provider = provider(address, KeyKind::Ed25519, authority.anchors());
    tokio::select! {
        () = until("a second request", || asked.load(Ordering::SeqCst) >= 2) => {}
        () = provider.run(CancellationToken::new()) => panic!("the provider ended"),
    }
}

#[tokio::test]
async fn anchors_follow_a_swapped_link_and_survive_nonsense() {
    let (first, second) = (Authority::new().pem(), Authority::new().pem());
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("data"), folder.path().join("ca.crt"));
    let anchors = TrustAnchors::follow(&path);
    let publish = |pem: &str| {
        // As a kubelet does: a new file, then the link to it replaced at once.
        let fresh = folder.path().join(format!("data-{}", pem.len()));
        std::fs::write(&fresh, pem).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fresh, &link).unwrap();
        std::fs::rename(&link, &data).unwrap();
    };
    std::os::unix::fs::symlink(&data, &path).unwrap();
    let test = async {
        assert!(anchors.current().is_none());
        publish(&first);
        let seen = anchors.ready().await;
        publish("nonsense");
        publish(&format!("{first}{second}"));
        let both = anchors.changed(&seen).await;
        assert_eq!(both.certificates().len(), 2);
        publish("nonsense");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(anchors.current().unwrap(), both);
    };
    tokio::select! {
        () = test => {}
        () = anchors.clone().run(CancellationToken::new()) => panic!("the watch ended"),
    }
    assert!(TrustBundle::from_pem(second).is_ok());
}
