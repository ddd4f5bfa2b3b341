//! The guard's certificate, from files.

use std::{path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::files;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("a file of the guard's certificate could not be read")]
    Read(#[source] std::io::Error),
    /// A file has no certificate or key in it.
    #[error("the guard's certificate or key is no PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// They don't belong together, or are of an unknown kind.
    #[error("the guard's certificate and key can't be used")]
    Unusable(#[source] rustls::Error),
}

/// The certificate that handshakes get; the files are followed.
#[derive(Clone, Debug)]
pub struct Certificate {
    paths: [PathBuf; 2],
    current: Arc<RwLock<Arc<CertifiedKey>>>,
}

// === impl Certificate ===

impl Certificate {
    /// Reads the chain and the key.
    ///
    /// # Errors
    /// If they can't be used.
    pub async fn read(chain: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let paths = [chain, key];
        let contents = files::read(&paths).await.map_err(CertificateError::Read)?;
        let current = Arc::new(RwLock::new(parse(&contents)?));
        Ok(Self { paths, current })
    }

    /// Takes what the files change to; what can't be used is left.
    pub async fn follow(self, stopping: CancellationToken) {
        let paths = self.paths.to_vec();
        files::follow(paths, stopping, |contents| match parse(contents) {
            Ok(certificate) => *self.current.write() = certificate,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the guard's certificate is kept, since its files can't be used"
            ),
        })
        .await;
    }

    /// TLS of the versions 1.2 and 1.3 with both versions of HTTP.
    pub fn acceptor(&self) -> TlsAcceptor {
        let resolver = Arc::new(Resolver(self.current.clone()));
        let builder = ServerConfig::builder().with_no_client_auth();
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn parse(contents: &[Vec<u8>]) -> Result<Arc<CertifiedKey>, CertificateError> {
    let (chain, key) = match contents {
        [chain, key] => (&**chain, &**key),
        _ => (&[][..], &[][..]),
    };
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Pem)?;
    let chain = chain.map_err(CertificateError::Pem)?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider);
    certified.map(Arc::new).map_err(CertificateError::Unusable)
}

#[derive(Debug)]
struct Resolver(Arc<RwLock<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}
