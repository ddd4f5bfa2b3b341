//! The validator that believes the tokens of a known key set, and where that set comes from.

mod fetch;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use identity_core::SpiffeId;
use jiff::Timestamp;
use sentry_core::{
    key_source::KeySource,
    validator::{
        Claim, Grant, Refusal,
        jwks::{self, KeySet, KeySetError},
    },
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::trigger::Trigger;
use fetch::{FetchError, Fetcher};

/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The option is missing.
    #[error("option source of the jwks token validator is empty")]
    NoSource,
    /// The option is neither of the three.
    #[error(
        "option source of the jwks token validator is no URL, no file and no key set (JSON, or base64 of it)"
    )]
    Inline(#[source] KeySetError),
    /// The file can't be read.
    #[error("read the key set {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file holds something else.
    #[error("read the key set {}", .0.display())]
    Parse(PathBuf, #[source] KeySetError),
    /// The server did not give it.
    #[error("fetch the key set {0}")]
    Fetch(String, #[source] FetchError),
}

/// The validator that believes the tokens of a known key set. Callers are judged by the set in
/// use; a set that can't be renewed goes on being used.
#[derive(Clone, Debug)]
pub struct Jwks {
    sentry: SpiffeId,
    keys: Arc<ArcSwap<KeySet>>,
}

/// Keeps the key set of a [`Jwks`] fresh.
#[derive(Debug)]
pub struct Refresher {
    keys: Arc<ArcSwap<KeySet>>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Url(Box<Fetcher>, Duration),
    File(PathBuf, Trigger),
    Inline,
}

// === impl Jwks ===

impl Jwks {
    /// Loads the key set for the sentry of this id.
    ///
    /// # Errors
    /// If there is none: sentry must not start and refuse everybody.
    pub async fn open(
        options: KeySource,
        sentry: SpiffeId,
    ) -> Result<(Self, Refresher), JwksError> {
        if options.source.is_empty() {
            return Err(JwksError::NoSource);
        }
        let (keys, origin) = if options.is_url() {
            fetched(options).await?
        } else if Path::new(&options.source).is_file() {
            followed(options.source.into()).await?
        } else {
            let keys = KeySet::inline(&options.source).map_err(JwksError::Inline)?;
            (keys, Origin::Inline)
        };
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let refresher = Refresher {
            keys: Arc::clone(&keys),
            origin,
        };
        Ok((Self { sentry, keys }, refresher))
    }

    /// Says what a caller is granted.
    ///
    /// # Errors
    /// Why it gets nothing.
    pub fn validate(&self, claim: &Claim<'_>, token: &str) -> Result<Grant, Refusal> {
        jwks::validate(
            claim,
            token,
            &self.keys.load(),
            &self.sentry,
            Timestamp::now(),
        )
    }
}

async fn fetched(options: KeySource) -> Result<(KeySet, Origin), JwksError> {
    if options.source.starts_with("http://") {
        tracing::warn!("the key set of the jwks token validator is fetched without TLS");
    }
    let url = options.source.clone();
    let fetcher = Fetcher::new(options)
        .await
        .map_err(|error| JwksError::Fetch(url.clone(), error))?;
    let (keys, kept) = fetcher
        .fetch()
        .await
        .map_err(|error| JwksError::Fetch(url, error))?;
    Ok((keys, Origin::Url(Box::new(fetcher), kept)))
}

async fn followed(path: PathBuf) -> Result<(KeySet, Origin), JwksError> {
    let trigger = Trigger::new(vec![path.clone()]).await;
    let keys = read(&path).await?;
    Ok((keys, Origin::File(path, trigger)))
}

async fn read(path: &Path) -> Result<KeySet, JwksError> {
    let json = tokio::fs::read(path)
        .await
        .map_err(|error| JwksError::Read(path.into(), error))?;
    KeySet::parse(&json).map_err(|error| JwksError::Parse(path.into(), error))
}

// === impl Refresher ===

impl Refresher {
    /// Renews the key set until the process stops. Failures are logged and tried again.
    ///
    /// # Errors
    /// None; a task must have an error type.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), Infallible> {
        loop {
            let next = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                next = self.next() => next,
            };
            match next {
                Ok(keys) => self.keys.store(Arc::new(keys)),
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(
                        error,
                        "the key set could not be renewed; keeping the one in use"
                    );
                }
            }
        }
    }

    /// Waits until the key set is due and gives the next one.
    async fn next(&mut self) -> Result<KeySet, JwksError> {
        match &mut self.origin {
            Origin::Inline => std::future::pending().await,
            Origin::File(path, trigger) => {
                while !trigger.fired().await {
                    sleep(LOOK).await;
                }
                read(path).await
            }
            Origin::Url(fetcher, kept) => {
                sleep(*kept).await;
                match fetcher.fetch().await {
                    Ok((keys, next)) => {
                        *kept = next;
                        Ok(keys)
                    }
                    Err(error) => {
                        *kept = fetcher.retry_after();
                        Err(JwksError::Fetch(fetcher.url().to_owned(), error))
                    }
                }
            }
        }
    }
}
