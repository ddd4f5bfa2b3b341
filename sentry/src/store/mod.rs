//! Where the bundle is kept.

mod files;
mod secret;

use sentry_core::{
    Parts,
    agreement::{Decision, Incomplete, Stored},
};

pub use files::Files;
pub use secret::Secret;

/// Why a store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file could not be read.
    #[error("read {0}")]
    Read(String, #[source] std::io::Error),
    /// A file could not be written.
    #[error("write {0}")]
    Write(String, #[source] std::io::Error),
    /// The API server refused.
    #[error("{doing} {name} of namespace {namespace}")]
    Api {
        /// What was being done to which kind of object.
        doing: &'static str,
        /// Name of the object.
        name: &'static str,
        /// Namespace of the object.
        namespace: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// Only a part of a bundle is there.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

/// A store, and what was read from it.
#[derive(Debug)]
pub enum Store {
    /// Files of this machine.
    Files(Files),
    /// A Secret, with a public copy of the trust anchors in a `ConfigMap`.
    Secret(Box<Secret>),
}

/// Whether a bundle was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was.
    Yes,
    /// Another replica wrote first; read again.
    Conflict,
}

// === impl Store ===

impl Store {
    /// Reads the store and decides what to do about it; `kept` is the bundle in use.
    ///
    /// # Errors
    /// If the store can't be read, or holds only a part of a bundle.
    pub async fn decide(&self, kept: Option<&Parts>) -> Result<Decision, StoreError> {
        let (stored, names): (Stored, _) = match self {
            Self::Files(files) => (files.read().await?, files.names()),
            Self::Secret(secret) => (secret.read().await?, secret.names()),
        };
        Ok(sentry_core::agreement::decide(stored, names, kept)?)
    }

    /// Writes a bundle into a store that was found empty.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn write(&self, parts: &Parts) -> Result<Written, StoreError> {
        match self {
            Self::Files(files) => files.write(parts),
            Self::Secret(secret) => secret.write(parts).await,
        }
    }

    /// Brings the public copy of the trust anchors in line with a bundle that was checked.
    /// Says whether it had to be repaired.
    ///
    /// # Errors
    /// If it can't be read or written.
    pub async fn publish(&self, parts: &Parts) -> Result<bool, StoreError> {
        match self {
            Self::Files(_) => Ok(false),
            Self::Secret(secret) => secret.publish(parts).await,
        }
    }
}
