//! Trust anchors that follow their file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use identity_core::{BundleError, TrustBundle};
use rustls::RootCertStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the file is read again. A kubelet replaces a mounted file by swapping a link two
/// folders up, which a watch of the file itself misses; reading 2 KB a second misses nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// The roots of the trust domain, as they are now. Clones see the same.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    path: Option<PathBuf>,
    current: Arc<watch::Sender<Option<Anchors>>>,
}

#[derive(Clone, Debug)]
struct Anchors {
    bundle: Arc<TrustBundle>,
    roots: Arc<RootCertStore>,
}

/// Why the anchors could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the trust anchors file could not be read")]
    File(#[from] std::io::Error),
    #[error("the trust anchors file could not be used")]
    Bundle(#[from] BundleError),
    #[error("a trust anchor could not be used")]
    Root(#[from] rustls::Error),
}

// === impl TrustAnchors ===

impl TrustAnchors {
    /// Anchors that follow a PEM file, once [`run`](Self::run) runs. The file may come later.
    pub fn follow(path: impl AsRef<Path>) -> Self {
        Self {
            path: Some(path.as_ref().to_owned()),
            current: Arc::default(),
        }
    }

    /// Anchors that stay as they are.
    ///
    /// # Errors
    /// If rustls can't use one of the certificates as a root.
    pub fn fixed(bundle: TrustBundle) -> Result<Self, rustls::Error> {
        let current = watch::Sender::new(Some(Anchors::new(bundle)?));
        Ok(Self {
            path: None,
            current: Arc::new(current),
        })
    }

    /// Follows the file until `stopping`. A file that can't be read or parsed is reported once
    /// and changes nothing; the anchors from before go on.
    pub async fn run(self, stopping: CancellationToken) {
        let mut last: Option<Result<Vec<u8>, std::io::ErrorKind>> = None;
        loop {
            let Some(path) = &self.path else {
                return stopping.cancelled().await;
            };
            let read = tokio::fs::read(path).await;
            let seen = Some(
                read.as_ref()
                    .map_or_else(|e| Err(e.kind()), |b| Ok(b.clone())),
            );
            if seen != last {
                last = seen;
                self.take(path, read.map_err(ReadError::from));
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    fn take(&self, path: &Path, read: Result<Vec<u8>, ReadError>) {
        let anchors = read
            .and_then(|bytes| Ok(TrustBundle::from_pem(bytes)?))
            .and_then(|bundle| Ok(Anchors::new(bundle)?));
        let path = path.display();
        match anchors {
            Ok(anchors) => {
                tracing::info!(%path, roots = anchors.roots.len(), "trust anchors loaded");
                self.current.send_replace(Some(anchors));
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, %path, "waiting for usable trust anchors");
            }
        }
    }

    /// The bundle, or nothing before the file was first read.
    pub fn current(&self) -> Option<Arc<TrustBundle>> {
        self.current
            .borrow()
            .as_ref()
            .map(|anchors| anchors.bundle.clone())
    }

    /// Waits until there are anchors.
    pub async fn ready(&self) -> Arc<TrustBundle> {
        let mut changes = self.current.subscribe();
        // The sender lives as long as self, so that the channel can't close here.
        let ready = changes.wait_for(Option::is_some).await;
        match ready
            .ok()
            .and_then(|anchors| anchors.as_ref().map(|a| a.bundle.clone()))
        {
            Some(bundle) => bundle,
            None => std::future::pending().await,
        }
    }

    /// Waits for the next change after `seen`, and gives the new bundle.
    pub async fn changed(&self, seen: &Arc<TrustBundle>) -> Arc<TrustBundle> {
        let mut changes = self.current.subscribe();
        let other = |anchors: &Option<Anchors>| {
            anchors
                .as_ref()
                .is_some_and(|anchors| anchors.bundle != *seen)
        };
        let _ = changes.wait_for(other).await;
        self.ready().await
    }

    pub(crate) fn roots(&self) -> Option<Arc<RootCertStore>> {
        self.current
            .borrow()
            .as_ref()
            .map(|anchors| anchors.roots.clone())
    }
}

// === impl Anchors ===

impl Anchors {
    fn new(bundle: TrustBundle) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in bundle.certificates() {
            roots.add(certificate.clone())?;
        }
        Ok(Self {
            bundle: Arc::new(bundle),
            roots: Arc::new(roots),
        })
    }
}
