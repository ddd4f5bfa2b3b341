//! Handshakes over real sockets: who gets in, as whom, and what rotation changes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod authority;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use authority::Authority;
use identity::{
    Identity, Listener, TrustAnchors,
    tls::{self, Clients},
};
use identity_core::SpiffeId;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

const SERVER: &str = "spiffe://td/ns/dapr-system/dapr-operator";
const APP: &str = "spiffe://td/ns/shop/checkout";

fn holder(authority: &Authority, id: &str) -> Identity {
    let identity = Identity::empty();
    identity.set(authority.svid(id));
    identity
}

async fn listen(identity: &Identity, anchors: &TrustAnchors) -> Listener {
    identity::install_crypto_provider();
    let config = tls::server(identity, Clients::Mtls(anchors), &[b"h2"]).unwrap();
    Listener::bind(&["127.0.0.1:0".parse().unwrap()], Some(config))
        .await
        .unwrap()
}

fn client(identity: &Identity, anchors: &TrustAnchors, expected: &str) -> Arc<ClientConfig> {
    tls::client(Some(identity), anchors, SpiffeId::new(expected).unwrap()).unwrap()
}

async fn dial(
    config: Arc<ClientConfig>,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("any").unwrap();
    let mut stream = TlsConnector::from(config).connect(name, stream).await?;
    // TLS 1.3 tells a client of its refusal only when it reads.
    let read = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    match read {
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(stream),
    }
}

#[tokio::test]
async fn a_client_of_the_same_roots_is_known_by_its_id() {
    let authority = Authority::new();
    let anchors = authority.anchors();
    let mut listener = listen(&holder(&authority, SERVER), &anchors).await;
    let address = listener.address().unwrap();
    let config = client(&holder(&authority, APP), &anchors, SERVER);
    let (connection, stream) = tokio::join!(
        axum::serve::Listener::accept(&mut listener),
        dial(config, address)
    );
    assert!(stream.is_ok());
    assert_eq!(connection.1.spiffe_id().unwrap().to_string(), APP);
}

#[tokio::test]
async fn a_client_of_other_roots_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let anchors = authority.anchors();
    let mut listener = listen(&holder(&authority, SERVER), &anchors).await;
    let address = listener.address().unwrap();
    let config = client(&holder(&stranger, APP), &anchors, SERVER);
    tokio::select! {
        _ = listener.next() => panic!("a stranger got in"),
        result = dial(config, address) => assert!(result.is_err()),
    }
}

#[tokio::test]
async fn a_server_of_another_id_is_refused() {
    let authority = Authority::new();
    let anchors = authority.anchors();
    let mut listener = listen(&holder(&authority, SERVER), &anchors).await;
    let address = listener.address().unwrap();
    let config = client(&holder(&authority, APP), &anchors, APP);
    tokio::select! {
        _ = listener.next() => panic!("the handshake was not broken off"),
        result = dial(config, address) => assert!(result.is_err()),
    }
}

#[tokio::test]
async fn a_rotated_certificate_is_served_at_the_next_handshake() {
    let (old, new) = (Authority::new(), Authority::new());
    let identity = holder(&old, SERVER);
    let mut listener = listen(&identity, &old.anchors()).await;
    let address = listener.address().unwrap();
    identity.set(new.svid(SERVER));
    let config = client(&holder(&old, APP), &new.anchors(), SERVER);
    let (_, stream) = tokio::join!(listener.next(), dial(config, address));
    assert!(stream.is_ok());
}

#[tokio::test]
async fn a_silent_peer_holds_up_nobody() {
    let authority = Authority::new();
    let anchors = authority.anchors();
    let mut listener = listen(&holder(&authority, SERVER), &anchors).await;
    let address = listener.address().unwrap();
    let _silent = TcpStream::connect(address).await.unwrap();
    let config = client(&holder(&authority, APP), &anchors, SERVER);
    let both = async { tokio::join!(listener.next(), dial(config, address)) };
    let (_, stream) = tokio::time::timeout(Duration::from_secs(5), both)
        .await
        .unwrap();
    assert!(stream.is_ok());
}
