//! A client of the control plane gets its identity from sentry over loopback and TLS.

use std::{sync::Arc, time::Duration};

use identity::{KeyKind, Listener, Provider, Request, TrustAnchors, tls};
use identity_core::TrustBundle;
use proto::sentry::v1::ca_server::CaServer;
use sentry::{metrics::Metrics, own::Keeper, trigger::Trigger};
use sentry_core::{generate, settings::Method};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::{authority::owner, server::signer};

#[tokio::test]
async fn gives_clients_their_identity() {
    for (key, app_id) in [
        (KeyKind::Ed25519, "dapr-placement"),
        (KeyKind::Rsa2048, "dapr-operator"),
    ] {
        let folder = TempDir::new().unwrap();
        let signer = signer(&folder, Some(Method::Insecure)).await;
        let bundle = TrustBundle::from_pem(signer.authority.bundle().anchors_pem()).unwrap();
        let own = generate::sentry(
            &owner().rotation.profile.trust_domain,
            &owner().rotation.profile.namespace,
        );
        let trigger = Trigger::new(Vec::new()).await;
        let authority = Arc::clone(&signer.authority);
        let keeper = Keeper::new(
            authority,
            own,
            signer.terms,
            Metrics::default(),
            trigger,
            None,
        )
        .unwrap();
        let tls = tls::server(&keeper.identity(), tls::Clients::Any, &[b"h2"]).unwrap();
        let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], Some(tls))
            .await
            .unwrap();
        let request = Request {
            app_id,
            namespace: owner().rotation.profile.namespace,
            trust_domain: owner().rotation.profile.trust_domain,
            sentry_address: listener.address().unwrap().to_string(),
            key,
            kubernetes: false,
        };
        let provider = Provider::new(request, TrustAnchors::fixed(bundle).unwrap()).unwrap();
        let (identity, stopping) = (provider.identity(), CancellationToken::new());
        let serving = Server::builder()
            .add_service(CaServer::new(signer))
            .serve_with_incoming(listener.incoming());
        tokio::select! {
            _ = serving => unreachable!("the server ended"),
            _ = keeper.run(stopping.clone()) => unreachable!("the keeper ended"),
            () = provider.run(stopping) => unreachable!("the provider ended"),
            ready = tokio::time::timeout(Duration::from_secs(20), identity.ready()) => ready.unwrap(),
        }
        let svid = identity.current().unwrap();
        let expected = format!("spiffe://cluster.local/ns/dapr-system/{app_id}");
        assert_eq!(svid.spiffe_id().to_string(), expected);
        assert_eq!(svid.chain().len(), 2);
    }
}
