//! The OIDC server, in memory and over loopback.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use process::Health;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use sentry::{
    authority::Authority,
    metrics::Metrics,
    oidc::{CertificateFiles, OidcError, Server, routes},
};
use sentry_core::oidc::{Oidc, Prefix};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{authority::files, tokens::tokens};

fn oidc() -> Oidc {
    Oidc {
        issuer: None,
        key_set_uri: None,
        prefix: Prefix::new("/auth").unwrap(),
        allowed_hosts: vec!["localhost".to_owned()],
        algorithm: "RS256".parse().unwrap(),
        tls: false,
    }
}

async fn authority(folder: &TempDir) -> Arc<Authority> {
    let opened = Authority::open(files(folder), tokens(), Metrics::default()).await;
    Arc::new(opened.unwrap())
}

async fn ask(routes: &Router, method: Method, path: &str, host: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    let request = request.body(Body::empty()).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

async fn json(response: Response) -> Value {
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["cache-control"], "public, max-age=3600");
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn publishes_discovery_and_keys() {
    let folder = TempDir::new().unwrap();
    let authority = authority(&folder).await;
    let routes = routes(oidc(), Arc::clone(&authority));
    let found = "/auth/.well-known/openid-configuration";
    let found = json(ask(&routes, Method::GET, found, "localhost:9080").await).await;
    assert_eq!(found["issuer"], "http://localhost:9080");
    assert_eq!(found["jwks_uri"], "http://localhost:9080/auth/jwks.json");
    let set = json(ask(&routes, Method::GET, "/auth/jwks.json", "localhost").await).await;
    let expected: Value = serde_json::from_str(authority.tokens().unwrap().key_set()).unwrap();
    assert_eq!(set, expected);
    assert_eq!(set["keys"][0]["kty"], "RSA");
}

#[tokio::test]
async fn refuses_what_it_must() {
    let folder = TempDir::new().unwrap();
    let routes = routes(oidc(), authority(&folder).await);
    let status = async |method, path, host| ask(&routes, method, path, host).await.status();
    let path = "/auth/jwks.json";
    for method in [
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
    ] {
        let answer = status(method, path, "localhost").await;
        assert_eq!(answer, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(
        status(Method::GET, "/jwks.json", "localhost").await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        status(Method::GET, path, "evil").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(Method::POST, path, "evil").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(status(Method::GET, path, "").await, StatusCode::FORBIDDEN);
}

fn write_certificate(folder: &Path) -> Vec<u8> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    cert.der().to_vec()
}

/// The certificate that is shown, if anybody listens.
async fn shown(port: u16, known: &[u8]) -> Option<bool> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(known.to_vec().into()).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    Some(connector.connect(name, stream).await.is_ok())
}

async fn until(port: u16, known: &[u8]) {
    let seen = async {
        while shown(port, known).await != Some(true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen)
        .await
        .unwrap();
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

async fn server(folder: &TempDir, port: u16) -> Server {
    Server {
        oidc: oidc(),
        authority: authority(folder).await,
        addresses: vec![([127, 0, 0, 1], port).into()],
        certificate: Some(CertificateFiles {
            chain: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
        }),
    }
}

#[tokio::test]
async fn waits_for_its_certificate_and_follows_it() {
    identity::install_crypto_provider();
    let (folder, port, health) = (TempDir::new().unwrap(), free_port(), Health::default());
    let (target, stopping) = (health.target("oidc-server"), CancellationToken::new());
    let running = tokio::spawn(server(&folder, port).await.run(target, stopping.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!health.is_healthy());
    let first = write_certificate(folder.path());
    until(port, &first).await;
    assert!(health.is_healthy());
    let second = write_certificate(folder.path());
    until(port, &second).await;
    stopping.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn ends_if_its_certificate_is_wrong() {
    let folder = TempDir::new().unwrap();
    write_certificate(folder.path());
    let key = sentry_core::key::ed25519_pem(&[1; 32]);
    std::fs::write(folder.path().join("tls.key"), &*key).unwrap();
    let server = server(&folder, free_port()).await;
    let health = Health::default();
    let ended = server.run(health.target("oidc-server"), CancellationToken::new());
    assert!(matches!(ended.await, Err(OidcError::Certificate(_))));
}

#[tokio::test]
async fn ends_if_its_port_is_taken() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = server(&folder, taken.local_addr().unwrap().port()).await;
    server.certificate = None;
    let health = Health::default();
    let ended = server.run(health.target("oidc-server"), CancellationToken::new());
    assert!(matches!(ended.await, Err(OidcError::Listen(..))));
}
