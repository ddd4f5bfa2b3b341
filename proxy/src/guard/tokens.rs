//! Tokens in mounted files.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use parking_lot::RwLock;
use proxy_core::token::Tokens;
use tokio_util::sync::CancellationToken;

use crate::files;

/// The tokens that apps may show: every line of every file. Clones are the same.
#[derive(Clone, Debug)]
pub struct TokenFile {
    paths: Vec<PathBuf>,
    tokens: Arc<RwLock<Tokens>>,
}

/// The token that daprd itself wants to see, if any. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct OwnToken(Arc<RwLock<Option<HeaderValue>>>);

// === impl TokenFile ===

impl TokenFile {
    /// No token is good before the files were read. One that is taken out of them stays good
    /// for `grace`.
    pub fn new(paths: Vec<PathBuf>, grace: Duration) -> Self {
        let tokens = Arc::new(RwLock::new(Tokens::new(grace)));
        Self { paths, tokens }
    }

    /// Reads the files once. A file that is missing lets nobody in; it may come yet.
    pub async fn read(&self) {
        match files::read(&self.paths).await {
            Ok(contents) => self.take(&contents),
            Err(error) => {
                tracing::warn!(%error, paths = ?self.paths, "nobody is let in: no tokens");
            }
        }
    }

    /// Follows the files until it is stopping.
    pub async fn follow(self, stopping: CancellationToken) {
        files::follow(self.paths.clone(), stopping, |contents| self.take(contents)).await;
    }

    fn take(&self, contents: &[Vec<u8>]) {
        let texts: Vec<_> = contents
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes))
            .collect();
        let mut tokens = self.tokens.write();
        tokens.replace(&texts.join("\n"), Instant::now());
        if tokens.is_empty() {
            tracing::warn!("the token files are empty: nobody is let in by a new token");
        }
    }

    pub(super) fn accepts(&self, shown: &[u8], now: Instant) -> bool {
        self.tokens.read().accepts(shown, now)
    }
}

// === impl OwnToken ===

impl OwnToken {
    /// A token that does not change; nothing for an empty text or one that no header can hold.
    pub fn set(&self, token: &str) {
        let header = HeaderValue::from_str(token.trim()).ok();
        let header = header
            .filter(|header| !header.is_empty())
            .map(|mut header| {
                header.set_sensitive(true);
                header
            });
        *self.0.write() = header;
    }

    /// Reads a file once.
    pub async fn read(&self, path: PathBuf) {
        match files::read(&[path]).await {
            Ok(contents) => self.take(&contents),
            Err(error) => tracing::warn!(%error, "daprd's own token could not be read"),
        }
    }

    /// Follows a file until it is stopping.
    pub async fn follow(self, path: PathBuf, stopping: CancellationToken) {
        files::follow(vec![path], stopping, |contents| self.take(contents)).await;
    }

    fn take(&self, contents: &[Vec<u8>]) {
        let text = contents.first().map(|bytes| String::from_utf8_lossy(bytes));
        self.set(&text.unwrap_or_default());
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.0.read().clone()
    }
}
