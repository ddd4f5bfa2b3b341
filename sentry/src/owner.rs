//! For whom bundles and tokens are made, and how.

use std::sync::Arc;

use jiff::Timestamp;
use sentry_core::{
    Bundle,
    agreement::{Decision, TokenDecision},
    jwt::{self, JwtError},
    rotation::{self, Kept, Outcome, State, Wishes},
};

use crate::{authority::error::AuthorityError, random, store::Store};

/// For whom bundles and tokens are made.
#[derive(Debug, Clone)]
pub struct Owner {
    /// What bundles are like, and how they are replaced.
    pub rotation: rotation::Settings,
    /// How tokens are made, if they are.
    pub tokens: Option<jwt::Options>,
    /// Name of the key of tokens; checked even if none are made.
    pub key_id: Option<String>,
}

/// What tokens are made from and by.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) parts: jwt::Parts,
    pub(crate) signer: Arc<jwt::Signer>,
}

/// Where a bundle comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was in the store.
    Stored,
    /// It had been there, and the store lost it.
    Restored,
    /// It was made.
    Made,
}

// === impl Owner ===

impl Owner {
    /// The bundle to sign with, by what was found in the store.
    pub(crate) async fn bundle(
        &self,
        store: &Store,
        decision: Decision,
        state: Option<State>,
        wishes: &Wishes,
    ) -> Result<(Outcome, Origin), AuthorityError> {
        let (now, unchanged) = (Timestamp::now(), |parts, state| Outcome {
            kept: Kept { parts, state },
            changes: Vec::new(),
        });
        Ok(match decision {
            Decision::Use(parts) => {
                let (kept, profile) = (Kept { parts, state }, &self.rotation.profile);
                let outcome = match Bundle::load(&kept.parts, now) {
                    Ok(_) => rotation::reconcile(kept, wishes, profile, now, random::serial()?)?,
                    Err(error) if error.is_of_time() && store.remembers() => {
                        self.succeed_ended(kept, wishes, now)?
                    }
                    Err(error) => return Err(error.into()),
                };
                (outcome, Origin::Stored)
            }
            Decision::Restore(parts) => (unchanged(parts, state), Origin::Restored),
            Decision::Generate if store.is_orphaned().await? => {
                return Err(AuthorityError::Orphaned);
            }
            Decision::Generate
                if !wishes.forget
                    && let Some(pod) = store.trusting(now).await? =>
            {
                return Err(AuthorityError::Trusted(pod));
            }
            Decision::Generate => {
                let parts = self.rotation.profile.generate(now, &random::entropy()?)?;
                let made = Kept { parts, state };
                let outcome = if store.remembers() {
                    let random = random::rotation()?;
                    rotation::advance(made, wishes, &self.rotation, None, now, &random)?
                } else {
                    unchanged(made.parts, None)
                };
                (outcome, Origin::Made)
            }
        })
    }

    /// An authority that ended while no sentry ran: the next one takes over, which younger
    /// sidecars know. One that is somebody else's stays as it is, and is refused.
    fn succeed_ended(
        &self,
        kept: Kept,
        wishes: &Wishes,
        now: Timestamp,
    ) -> Result<Outcome, AuthorityError> {
        let (mut kept, mut changes) = (kept, Vec::new());
        while Bundle::load(&kept.parts, now).is_err() {
            let random = random::rotation()?;
            let next = rotation::advance(kept.clone(), wishes, &self.rotation, None, now, &random)?;
            if next.kept == kept {
                break;
            }
            kept = next.kept;
            changes.extend(next.changes);
        }
        Ok(Outcome { kept, changes })
    }

    /// What makes tokens, and whether the store lacks it. Where none are made, what the store
    /// holds is checked all the same.
    pub(crate) fn tokens(
        &self,
        decision: TokenDecision,
    ) -> Result<(Option<Tokens>, bool), AuthorityError> {
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
