//! The bundle in use, and how it comes to be in use.

use std::sync::Arc;

use arc_swap::ArcSwap;
use config::GoDuration;
use identity_core::TrustDomain;
use jiff::Timestamp;
use sentry_core::{
    Bundle, BundleError, Parts,
    agreement::Decision,
    generate::{self},
    issue::WriteError,
};

use crate::{
    metrics::Metrics,
    random::{self, RandomError},
    store::{Store, StoreError, Written},
};

/// Several replicas may write into an empty store at once; one wins, the others read again.
const ATTEMPTS: usize = 5;

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
    /// A new bundle could not be made.
    #[error("generate a trust bundle")]
    Generate(#[from] WriteError),
    /// No random bytes.
    #[error("generate a trust bundle")]
    Random(#[from] RandomError),
    /// Other replicas kept writing.
    #[error("the trust bundle's store kept changing while it was written")]
    Contended,
}

/// For whom bundles are generated.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// Namespace of sentry.
    pub namespace: String,
    /// How far clocks may differ.
    pub skew: GoDuration,
}

/// The bundle in use. Signing threads read it without a lock while a reload replaces it.
#[derive(Debug)]
pub struct Authority {
    store: Store,
    owner: Owner,
    metrics: Metrics,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    parts: Parts,
    bundle: Arc<Bundle>,
}

// === impl Authority ===

impl Authority {
    /// Takes the bundle from the store; generates one if the store is empty.
    ///
    /// # Errors
    /// If the store can't be used, or holds something that is no bundle.
    pub async fn open(
        store: Store,
        owner: Owner,
        metrics: Metrics,
    ) -> Result<Self, AuthorityError> {
        let current = obtain(&store, &owner, &metrics, None).await?;
        metrics.issuer_ends(current.bundle.issuer_not_after());
        let current = ArcSwap::from_pointee(current);
        Ok(Self {
            store,
            owner,
            metrics,
            current,
        })
    }

    /// The bundle in use.
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.current.load().bundle)
    }

    /// Reads the store again, and says whether the bundle is another one now. If this fails, the
    /// bundle in use stays.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub async fn reload(&self) -> Result<bool, AuthorityError> {
        let kept = self.current.load_full();
        let current = obtain(&self.store, &self.owner, &self.metrics, Some(&kept.parts)).await?;
        if current.parts == kept.parts {
            return Ok(false);
        }
        self.metrics.issuer_ends(current.bundle.issuer_not_after());
        self.metrics.changed();
        self.current.store(Arc::new(current));
        Ok(true)
    }
}

async fn obtain(
    store: &Store,
    owner: &Owner,
    metrics: &Metrics,
    kept: Option<&Parts>,
) -> Result<Current, AuthorityError> {
    for _ in 0..ATTEMPTS {
        let (parts, found) = match store.decide(kept).await? {
            Decision::Use(parts) => (parts, true),
            Decision::Restore(parts) => (parts, false),
            Decision::Generate => (owner.generate()?, false),
        };
        let bundle = Arc::new(Bundle::load(&parts, Timestamp::now())?);
        if !found {
            if store.write(&parts).await? == Written::Conflict {
                continue;
            }
            tracing::warn!(
                restored = kept.is_some(),
                "the store of the trust bundle was empty; wrote one"
            );
            metrics.changed();
        }
        if store.publish(&parts).await? && found {
            tracing::warn!(
                "the public copy of the trust anchors differed from the Secret; repaired it"
            );
        }
        return Ok(Current { parts, bundle });
    }
    Err(AuthorityError::Contended)
}

// === impl Owner ===

impl Owner {
    fn generate(&self) -> Result<Parts, AuthorityError> {
        let (now, entropy) = (Timestamp::now(), random::entropy()?);
        Ok(generate::generate(
            &self.trust_domain,
            &self.namespace,
            self.skew,
            now,
            &entropy,
        )?)
    }
}
