//! Why there is no bundle to sign with.

use sentry_core::{BundleError, issue::WriteError, jwt::JwtError, rotation::RotationError};

use crate::{random::RandomError, store::StoreError};

/// Why there is no bundle to sign with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The store can't be used.
    #[error("the trust bundle's store failed")]
    Store(#[from] StoreError),
    /// What the store holds is no bundle.
    #[error("the trust bundle is not usable")]
    Bundle(#[from] BundleError),
    /// What the store holds makes no tokens.
    #[error("tokens can't be made")]
    Jwt(#[from] JwtError),
    /// A new bundle could not be made.
    #[error("generate a trust bundle")]
    Generate(#[from] WriteError),
    /// A rotation failed.
    #[error("rotate the trust bundle")]
    Rotation(#[from] RotationError),
    /// The Secret is empty, but sidecars were given a root.
    #[error(
        "the Secret of the trust bundle is empty, but its ConfigMap tells of a root that sidecars may trust: put the bundle back, or empty the ConfigMap too to start over with a new root"
    )]
    Orphaned,
    /// Nothing is left of the bundle, but sidecars run that were given a root.
    #[error(
        "the trust bundle is empty, but the sidecar of pod {0} trusts a root that has not ended, and would trust no new one: put the bundle back (with Helm, repeat the release with its dapr_sentry.tls values), or, to start over with a new root, annotate Secret dapr-trust-bundle with trilby.dev/forget-roots=true"
    )]
    Trusted(String),
    /// No random bytes.
    #[error("generate a trust bundle")]
    Random(#[from] RandomError),
    /// Other replicas kept writing.
    #[error("the trust bundle's store kept changing while it was written")]
    Contended,
}
