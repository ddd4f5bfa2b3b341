//! Where the bundle is kept.

mod files;
mod secret;

use std::borrow::Cow;

use jiff::Timestamp;
use sentry_core::{
    Parts,
    agreement::{self, Decision, Incomplete, TokenDecision},
    jwt,
    rotation::{Kept, State, StateError, Wishes},
};

pub use files::Files;
pub use secret::{Secret, Seen};

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
    /// Others kept writing to the public copy.
    #[error("the public copy of the trust bundle kept changing while it was written")]
    Contended,
    /// The pods could not be listed.
    #[error("list the pods that have a sidecar")]
    Pods(#[source] Box<kube::Error>),
    /// What is remembered could not be written as text.
    #[error(transparent)]
    State(#[from] StateError),
    /// Only a part of a bundle is there.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

/// A place that holds a bundle.
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
    /// What is remembered about the bundle.
    pub state: Option<State>,
    /// What people ask for.
    pub wishes: Wishes,
    /// The Secret as it was read, by which a write tells whether it changed meanwhile.
    pub seen: Option<Box<Seen>>,
}

/// What is to be written; `None` leaves what is there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Contents<'a> {
    /// The bundle.
    pub bundle: Option<&'a Parts>,
    /// What is remembered about it.
    pub state: Option<&'a State>,
    /// What tokens are made from.
    pub tokens: Option<&'a jwt::Parts>,
}

/// Something for people to read in an Event.
#[derive(Debug, Clone)]
pub struct Notice {
    /// In one word.
    pub reason: &'static str,
    /// In a sentence.
    pub note: String,
    /// Whether somebody should look at it.
    pub is_warning: bool,
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

// === impl Found ===

impl Found {
    /// What is there already, if it is all there.
    pub fn kept(&self) -> Option<Kept> {
        match &self.bundle {
            Decision::Use(parts) => Some(Kept {
                parts: parts.clone(),
                state: self.state.clone(),
            }),
            Decision::Restore(_) | Decision::Generate => None,
        }
    }
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
        let (mut stored, names, seen) = match self {
            Self::Files(files) => (files.read().await?, files.names().clone(), None),
            Self::Secret(secret) => {
                let (stored, seen) = secret.read().await?;
                (stored, seen.names().clone(), Some(Box::new(seen)))
            }
        };
        Ok(Found {
            tokens: agreement::decide_tokens(&mut stored, &names, tokens, kept.1)?,
            bundle: agreement::decide(&mut stored, &names, kept.0)?,
            state: stored.state,
            wishes: stored.wishes,
            seen,
        })
    }

    /// Whether this store remembers, and so can be rotated.
    pub fn remembers(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    /// Whether a bundle must have been here before, though nothing is now.
    ///
    /// # Errors
    /// If the public copy can't be read.
    pub async fn is_orphaned(&self) -> Result<bool, StoreError> {
        match self {
            Self::Files(_) => Ok(false),
            Self::Secret(secret) => secret.is_orphaned().await,
        }
    }

    /// A pod whose sidecar trusts a root that has not ended, if there is one.
    ///
    /// # Errors
    /// If the pods can't be listed.
    pub(crate) async fn trusting(&self, now: Timestamp) -> Result<Option<String>, StoreError> {
        match self {
            Self::Files(_) => Ok(None),
            Self::Secret(secret) => secret.trusting(now).await,
        }
    }

    /// Writes what is to be written, unless somebody else wrote since `seen`.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn write(
        &self,
        seen: Option<Box<Seen>>,
        contents: Contents<'_>,
    ) -> Result<Written, StoreError> {
        match (self, seen) {
            (Self::Files(files), _) => files.write(contents),
            (Self::Secret(secret), Some(seen)) => secret.write(*seen, contents).await,
            // A Secret that was not read may hold anything.
            (Self::Secret(_), None) => Ok(Written::Conflict),
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

    /// Tells those who look at the bundle what happened to it. Failing at that is no reason to
    /// stop signing.
    pub async fn report(&self, notice: Notice) {
        match self {
            Self::Files(_) => {}
            Self::Secret(secret) => secret.report(notice).await,
        }
    }
}
