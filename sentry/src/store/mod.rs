//! Where the bundle is kept.

mod files;
mod secret;

use std::borrow::Cow;

use sentry_core::{
    Parts,
    agreement::{self, Decision, Incomplete, Stored, TokenDecision},
    jwt,
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
    Files(Box<Files>),
    /// A Secret, with a public copy of the trust anchors in a `ConfigMap`.
    Secret(Box<Secret>),
}

/// What a store holds, judged.
#[derive(Debug)]
pub struct Found {
    /// About the bundle.
    pub bundle: Decision,
    /// About the parts of tokens.
    pub tokens: TokenDecision,
}

/// What of a bundle and its tokens anybody may read.
#[derive(Debug, Clone)]
pub struct Public<'a> {
    /// Trust anchors, PEM, to the byte as they were stored: the original takes any difference
    /// for a reason to replace the bundle.
    pub anchors: Cow<'a, str>,
    /// Key set of tokens, JSON; `None` if there is none or it is nobody's business.
    pub key_set: Option<&'a str>,
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
    /// Reads the store and decides what to do about it; `kept` is the bundle in use, and what
    /// tokens are made from, if they are.
    ///
    /// # Errors
    /// If the store can't be read, or holds only a part of a bundle.
    pub async fn decide(
        &self,
        kept: (Option<&Parts>, Option<&jwt::Parts>),
        tokens: bool,
    ) -> Result<Found, StoreError> {
        let (mut stored, names): (Stored, _) = match self {
            Self::Files(files) => (files.read().await?, files.names()),
            Self::Secret(secret) => (secret.read().await?, secret.names()),
        };
        Ok(Found {
            tokens: agreement::decide_tokens(&mut stored, names, tokens, kept.1)?,
            bundle: agreement::decide(&mut stored, names, kept.0)?,
        })
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

    /// Writes the parts of tokens into a store that lacks all of them, or the key set.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn write_tokens(&self, parts: &jwt::Parts) -> Result<Written, StoreError> {
        match self {
            Self::Files(files) => files.write_tokens(parts),
            Self::Secret(secret) => secret.write_tokens(parts).await,
        }
    }

    /// Brings the public copy in line with what was checked, and names what differed.
    ///
    /// # Errors
    /// If it can't be read or written.
    pub async fn publish(&self, public: Public<'_>) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Files(_) => Ok(Vec::new()),
            Self::Secret(secret) => secret.publish(public).await,
        }
    }

    /// Tells those who look at the public copy that it was repaired. Failing at that is no
    /// reason to stop signing.
    pub async fn report(&self, repaired: &[String]) {
        match self {
            Self::Files(_) => {}
            Self::Secret(secret) => secret.report(repaired).await,
        }
    }
}
