//! The OIDC server's certificate, which follows its files.

use std::{io, path::Path, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use tokio::time::sleep;

use super::CertificateFiles;
use crate::trigger::Trigger;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why a certificate can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file can't be read.
    #[error("read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file is no PEM, or lacks what it is for.
    #[error("read {}", .0.display())]
    Pem(PathBuf, #[source] pem::Error),
    /// The key belongs to another certificate, or TLS can't be set up.
    #[error("use the certificate {}", .0.display())]
    Tls(PathBuf, #[source] rustls::Error),
}

/// A certificate in use.
#[derive(Debug)]
pub struct Certificate {
    files: CertificateFiles,
    trigger: Trigger,
    current: Arc<ArcSwap<CertifiedKey>>,
}

#[derive(Debug)]
struct Current(Arc<ArcSwap<CertifiedKey>>);

// === impl Certificate ===

impl Certificate {
    /// Loads a certificate, if there is to be one, as soon as both files are there.
    ///
    /// # Errors
    /// If they are there and wrong.
    pub async fn wait(files: Option<CertificateFiles>) -> Result<Option<Self>, CertificateError> {
        let Some(files) = files else { return Ok(None) };
        let mut told = false;
        while !(files.chain.exists() && files.key.exists()) {
            if !told {
                tracing::warn!("waiting for the certificate of the OIDC server");
                told = true;
            }
            sleep(LOOK).await;
        }
        let trigger = Trigger::new(vec![files.chain.clone(), files.key.clone()]).await;
        let current = Arc::new(ArcSwap::from_pointee(load(&files).await?));
        Ok(Some(Self {
            files,
            trigger,
            current,
        }))
    }

    /// A server that shows the certificate as it is at the time of each handshake.
    ///
    /// # Errors
    /// If the crypto provider offers no TLS version.
    pub fn config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateError::Tls(self.files.chain.clone(), error))?;
        let resolver = Arc::new(Current(Arc::clone(&self.current)));
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Takes each new certificate into use; never ends. One that is wrong is reported, and the
    /// one in use stays.
    pub async fn follow(certificate: Option<Self>) {
        let Some(mut certificate) = certificate else {
            return std::future::pending().await;
        };
        loop {
            sleep(LOOK).await;
            if !certificate.trigger.fired().await {
                continue;
            }
            match load(&certificate.files).await {
                Ok(loaded) => certificate.current.store(Arc::new(loaded)),
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::error!(
                        error,
                        "the certificate of the OIDC server could not be renewed; keeping the one in use"
                    );
                }
            }
        }
    }
}

async fn load(files: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        |error| CertificateError::Pem(path, error)
    };
    let chain = read(&files.chain).await?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(pem(&files.chain))?;
    let key = zeroize::Zeroizing::new(read(&files.key).await?);
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(pem(&files.key))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| CertificateError::Tls(files.chain.clone(), error))
}

async fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| CertificateError::Read(path.to_owned(), error))
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
