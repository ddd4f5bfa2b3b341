//! The bundle in use, and how it comes to be in use.

pub(crate) mod error;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use sentry_core::{
    Bundle, Parts, jwt,
    rotation::{self, Change, KnownRoots, Nearness},
};

pub use self::error::AuthorityError;
use crate::{
    metrics::Metrics,
    owner::{Origin, Owner, Tokens},
    random,
    store::{Contents, Notice, Public, Store, Written},
};

/// Several replicas may write into an empty store at once; one wins, the others read again.
const ATTEMPTS: usize = 5;

/// The bundle in use. Signing threads read it without a lock while a reload replaces it.
#[derive(Debug)]
pub struct Authority {
    store: Store,
    owner: Owner,
    metrics: Metrics,
    current: ArcSwap<Current>,
    /// What was told of the authority's end.
    told: Mutex<Option<Nearness>>,
}

#[derive(Debug)]
struct Current {
    parts: Parts,
    bundle: Arc<Bundle>,
    tokens: Option<Tokens>,
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
        current.show(&metrics);
        let current = ArcSwap::from_pointee(current);
        Ok(Self {
            store,
            owner,
            metrics,
            current,
            told: Mutex::default(),
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

    /// The roots that a sidecar learns which starts now.
    pub fn roots(&self) -> KnownRoots {
        rotation::roots(&self.current.load().parts)
    }

    /// Whether a rotation can't wait.
    pub fn is_late(&self) -> bool {
        rotation::is_late(&self.current.load().parts, Timestamp::now())
    }

    /// Reads the store again, and says whether the bundle is another one now. If this fails, the
    /// bundle in use stays.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub async fn reload(&self) -> Result<bool, AuthorityError> {
        let kept = self.current.load_full();
        let current = obtain(&self.store, &self.owner, &self.metrics, Some(&kept)).await?;
        Ok(self.take(&kept, current))
    }

    /// Takes the steps of a rotation that are due, and says whether the bundle is another one
    /// now. `known` is what each running sidecar knows, once that is known. Of several replicas
    /// that do this at once, one writes; the others find what it wrote when they reload.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub async fn advance(&self, known: Option<&[KnownRoots]>) -> Result<bool, AuthorityError> {
        let mut changed = false;
        for _ in 0..ATTEMPTS {
            let kept = self.current.load_full();
            let Some(current) = self.step(&kept, known).await? else {
                break;
            };
            changed |= self.take(&kept, current);
        }
        self.tell_of_end(Timestamp::now()).await;
        Ok(changed)
    }

    /// Once for each of the times at which it is told.
    async fn tell_of_end(&self, now: Timestamp) {
        let current = self.current.load_full();
        let near = rotation::nearness(&current.parts, now);
        if std::mem::replace(&mut *self.told.lock(), near) == near || near.is_none() {
            return;
        }
        let end = current.bundle.path_not_after();
        tracing::warn!(%end, "the authority ends soon, and nothing replaces it");
        let notice = Notice {
            reason: "AuthorityEnds",
            note: format!(
                "the authority ends at {end}, and nothing replaces it: put a new one in place"
            ),
            is_warning: true,
        };
        self.store.report(notice).await;
    }

    /// `None` if nothing is due, or the store does not hold what is in use.
    async fn step(
        &self,
        kept: &Current,
        known: Option<&[KnownRoots]>,
    ) -> Result<Option<Current>, AuthorityError> {
        let used = (Some(&kept.parts), kept.token_parts());
        if !self.store.remembers() {
            return Ok(None);
        }
        let found = self.store.decide(used, self.owner.tokens.is_some()).await?;
        let Some(before) = found.kept().filter(|found| found.parts == kept.parts) else {
            return Ok(None);
        };
        let outcome = rotation::advance(
            before.clone(),
            &found.wishes,
            &self.owner.rotation,
            known,
            Timestamp::now(),
            &random::rotation()?,
        )?;
        if outcome.kept == before {
            return Ok(None);
        }
        let parts = outcome.kept.parts;
        let current = Current {
            bundle: Arc::new(Bundle::load(&parts, Timestamp::now())?),
            parts,
            tokens: kept.tokens.clone(),
        };
        let contents = Contents {
            bundle: Some(&current.parts),
            state: outcome.kept.state.as_ref(),
            tokens: None,
        };
        if self.store.write(found.seen, contents).await? == Written::Conflict {
            return Ok(None);
        }
        self.store.publish(current.public()).await?;
        tell(&self.store, &self.metrics, &outcome.changes).await;
        Ok(Some(current))
    }

    fn take(&self, kept: &Current, current: Current) -> bool {
        let is_new = current.parts != kept.parts || current.token_parts() != kept.token_parts();
        if is_new {
            current.show(&self.metrics);
            self.metrics.changed();
            self.current.store(Arc::new(current));
        }
        is_new
    }
}

/// What happened to the bundle, for people.
async fn tell(store: &Store, metrics: &Metrics, changes: &[Change]) {
    for change in changes {
        let note = change.to_string();
        let reason = change.reason();
        if change.is_warning() {
            tracing::warn!(reason, "{note}");
        } else {
            tracing::info!(reason, "{note}");
        }
        metrics.rotated(reason);
        let is_warning = change.is_warning();
        store
            .report(Notice {
                reason,
                note,
                is_warning,
            })
            .await;
    }
}

async fn obtain(
    store: &Store,
    owner: &Owner,
    metrics: &Metrics,
    kept: Option<&Current>,
) -> Result<Current, AuthorityError> {
    for _ in 0..ATTEMPTS {
        if let Some(current) = try_obtain(store, owner, metrics, kept).await? {
            return Ok(current);
        }
    }
    Err(AuthorityError::Contended)
}

/// `None` if another replica wrote meanwhile.
async fn try_obtain(
    store: &Store,
    owner: &Owner,
    metrics: &Metrics,
    kept: Option<&Current>,
) -> Result<Option<Current>, AuthorityError> {
    let used = kept.map(|kept| &kept.parts);
    let tokens = kept.and_then(Current::token_parts);
    let found = store.decide((used, tokens), owner.tokens.is_some()).await?;
    let before = found.kept();
    let (outcome, origin) = owner
        .bundle(store, found.bundle, found.state, &found.wishes)
        .await?;
    let is_new = before.is_none_or(|before| before != outcome.kept);
    let parts = outcome.kept.parts;
    let bundle = Arc::new(Bundle::load(&parts, Timestamp::now())?);
    let (tokens, are_new) = owner.tokens(found.tokens)?;
    let current = Current {
        parts,
        bundle,
        tokens,
    };
    let contents = Contents {
        bundle: is_new.then_some(&current.parts),
        state: outcome.kept.state.as_ref().filter(|_| is_new),
        tokens: current.token_parts().filter(|_| are_new),
    };
    if (is_new || are_new) && store.write(found.seen, contents).await? == Written::Conflict {
        return Ok(None);
    }
    if are_new {
        tracing::info!("the store lacked parts of the JWT signing key; wrote them");
    }
    if origin != Origin::Stored {
        let restored = origin == Origin::Restored;
        tracing::warn!(
            restored,
            "the store of the trust bundle was empty; wrote one"
        );
        metrics.changed();
        if restored {
            store.report(restoration()).await;
        }
    }
    let repaired = store.publish(current.public()).await?;
    if !repaired.is_empty() && !is_new && !are_new {
        store.report(repair(&repaired)).await;
    }
    if origin == Origin::Stored {
        tell(store, metrics, &outcome.changes).await;
    }
    Ok(Some(current))
}

fn restoration() -> Notice {
    Notice {
        reason: "TrustBundleRestored",
        note:
            "the Secret was emptied while sidecars trust its roots; what it held was written back"
                .to_owned(),
        is_warning: true,
    }
}

fn repair(repaired: &[String]) -> Notice {
    let keys = repaired.join(" and ");
    tracing::warn!(
        keys,
        "the public copy of the trust bundle differed from the Secret; repaired it"
    );
    Notice {
        reason: "TrustBundleRepaired",
        note: format!("{keys} differed from the Secret and was written again; the Secret decides"),
        is_warning: true,
    }
}

// === impl Current ===

impl Current {
    fn token_parts(&self) -> Option<&jwt::Parts> {
        self.tokens.as_ref().map(|tokens| &tokens.parts)
    }

    fn show(&self, metrics: &Metrics) {
        let roots = rotation::roots(&self.parts);
        metrics.bundle(&self.bundle, roots.end());
    }

    fn public(&self) -> Public<'_> {
        Public {
            anchors: String::from_utf8_lossy(&self.parts.anchors),
            key_set: self.tokens.as_ref().map(|tokens| tokens.signer.key_set()),
        }
    }
}
