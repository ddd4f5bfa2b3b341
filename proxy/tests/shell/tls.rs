use std::{path::Path, sync::Arc};

use proxy::tls::Certificate;
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    setup::{guarding_with, no_end, open_guard, until},
};

/// Writes a self-signed certificate and gives its roots.
fn write(folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["orders-dapr".into()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

/// Whether a client that believes `roots` gets an answer.
async fn answers(address: std::net::SocketAddr, roots: &RootCertStore) -> bool {
    let config = ClientConfig::builder().with_root_certificates(roots.clone());
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "orders-dapr".try_into().unwrap();
    let Ok(mut stream) = connector.connect(name, stream).await else {
        return false;
    };
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    answer == *b"HTTP/1.1 207"
}

#[tokio::test]
async fn shows_the_certificate_of_its_files_also_after_they_changed() {
    identity::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path());
    let paths = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    let [chain, key] = paths;
    let certificate = Certificate::read(chain, key).await.unwrap();
    let (settings, daprd) = (open_guard(), Backend::echo().await);
    let tls = Some(certificate.acceptor());
    let address = guarding_with(settings, daprd.address, no_end(), tls).await;
    assert!(answers(address, &old).await);

    tokio::spawn(certificate.follow(CancellationToken::new()));
    let new = write(folder.path());
    until("the new certificate", async || answers(address, &new).await).await;
    assert!(!answers(address, &old).await);
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.crt");
    std::fs::write(&path, "nothing").unwrap();
    assert!(Certificate::read(path.clone(), path).await.is_err());
}
