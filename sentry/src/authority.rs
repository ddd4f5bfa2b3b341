//! The bundle in use, and how it comes to be in use.

use std::sync::Arc;

use arc_swap::ArcSwap;
use config::GoDuration;
use identity_core::TrustDomain;
use jiff::Timestamp;
use sentry_core::{
    Bundle, BundleError, Parts,
    agreement::{Decision, TokenDecision},
    generate::{self},
    issue::WriteError,
    jwt::{self, JwtError},
};

use crate::{
    metrics::Metrics,
    random::{self, RandomError},
    store::{Public, Store, StoreError, Written},
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
    /// What the store holds makes no tokens.
    #[error("tokens can't be made")]
    Jwt(#[from] JwtError),
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

/// For whom bundles and tokens are made.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// Namespace of sentry.
    pub namespace: String,
    /// How far clocks may differ.
    pub skew: GoDuration,
    /// How tokens are made, if they are.
    pub tokens: Option<jwt::Options>,
    /// Name of the key of tokens; checked even if none are made.
    pub key_id: Option<String>,
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
    tokens: Option<Tokens>,
}

/// What tokens are made from and by.
#[derive(Debug)]
struct Tokens {
    parts: jwt::Parts,
    signer: Arc<jwt::Signer>,
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

    /// What makes tokens, if they are made.
    pub fn tokens(&self) -> Option<Arc<jwt::Signer>> {
        let current = self.current.load();
        current
            .tokens
            .as_ref()
            .map(|tokens| Arc::clone(&tokens.signer))
    }

    /// Reads the store again, and says whether the bundle is another one now. If this fails, the
    /// bundle in use stays.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub async fn reload(&self) -> Result<bool, AuthorityError> {
        let kept = self.current.load_full();
        let current = obtain(&self.store, &self.owner, &self.metrics, Some(&kept)).await?;
        if current.parts == kept.parts && current.token_parts() == kept.token_parts() {
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
    kept: Option<&Current>,
) -> Result<Current, AuthorityError> {
    let kept = (
        kept.map(|kept| &kept.parts),
        kept.and_then(Current::token_parts),
    );
    for _ in 0..ATTEMPTS {
        let found = store.decide(kept, owner.tokens.is_some()).await?;
        let (parts, is_new) = match found.bundle {
            Decision::Use(parts) => (parts, false),
            Decision::Restore(parts) => (parts, true),
            Decision::Generate => (owner.generate()?, true),
        };
        let bundle = Arc::new(Bundle::load(&parts, Timestamp::now())?);
        let (tokens, are_new) = owner.tokens(found.tokens)?;
        if is_new {
            if store.write(&parts).await? == Written::Conflict {
                continue;
            }
            let restored = kept.0.is_some();
            tracing::warn!(
                restored,
                "the store of the trust bundle was empty; wrote one"
            );
            metrics.changed();
        }
        if let Some(tokens) = tokens.as_ref().filter(|_| are_new) {
            if store.write_tokens(&tokens.parts).await? == Written::Conflict {
                continue;
            }
            tracing::info!("the store lacked parts of the JWT signing key; wrote them");
        }
        let current = Current {
            parts,
            bundle,
            tokens,
        };
        let repaired = store.publish(current.public()).await?;
        if !repaired.is_empty() && !is_new && !are_new {
            tracing::warn!(
                keys = repaired.join(","),
                "the public copy of the trust bundle differed from the Secret; repaired it"
            );
            store.report(&repaired).await;
        }
        return Ok(current);
    }
    Err(AuthorityError::Contended)
}

// === impl Current ===

impl Current {
    fn token_parts(&self) -> Option<&jwt::Parts> {
        self.tokens.as_ref().map(|tokens| &tokens.parts)
    }

    fn public(&self) -> Public<'_> {
        Public {
            anchors: String::from_utf8_lossy(&self.parts.anchors),
            key_set: self.tokens.as_ref().map(|tokens| tokens.signer.key_set()),
        }
    }
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

    /// What makes tokens, and whether the store lacks it. Where none are made, what the store
    /// holds is checked all the same.
    fn tokens(&self, decision: TokenDecision) -> Result<(Option<Tokens>, bool), AuthorityError> {
        let Some(options) = &self.tokens else {
            match decision {
                TokenDecision::Use(parts) => jwt::check(&parts, self.key_id.as_deref())?,
                TokenDecision::Complete(key) => {
                    jwt::SigningKey::from_pem(&key).map_err(JwtError::from)?;
                }
                _ => {}
            }
            return Ok((None, false));
        };
        let (parts, is_new) = match decision {
            TokenDecision::Use(parts) => (parts, false),
            TokenDecision::Restore(parts) => (parts, true),
            TokenDecision::Complete(key) => (jwt::complete(key, options)?, true),
            TokenDecision::Generate | TokenDecision::Nothing => {
                (jwt::generate(&random::rsa_key()?, options)?, true)
            }
        };
        let signer = Arc::new(jwt::Signer::load(&parts, options.clone())?);
        Ok((Some(Tokens { parts, signer }), is_new))
    }
}
