//! Sentry's own certificate, and the watch over its store.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use identity::{Identity, Svid};
use identity_core::Workload;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use sentry_core::{IssueError, Order, PrivateKey, PublicKey, Terms, key};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    authority::Authority,
    kubernetes::Pods,
    metrics::Metrics,
    random::{self, RandomError},
    trigger::Trigger,
};

/// How often the clock and the files are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How often the store is read without a hint. In a cluster the files arrive about a minute
/// after the Secret changed, and a `ConfigMap` that somebody edited gives no hint at all.
const RECHECK: Duration = Duration::from_mins(1);

/// Why sentry has no certificate of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// No random bytes.
    #[error("issue sentry's own certificate")]
    Random(#[from] RandomError),
    /// The key could not be used.
    #[error("issue sentry's own certificate")]
    Key(#[from] key::KeyError),
    /// The bundle gave no certificate.
    #[error("issue sentry's own certificate")]
    Issue(#[from] IssueError),
    /// The certificate can't be served.
    #[error("issue sentry's own certificate")]
    Svid(#[from] identity::SvidError),
}

/// Keeps sentry's own certificate fresh and the bundle in line with its store.
pub struct Keeper {
    authority: Arc<Authority>,
    identity: Identity,
    workload: Workload,
    terms: Terms,
    metrics: Metrics,
    trigger: Trigger,
    pods: Option<Arc<Pods>>,
}

// === impl Keeper ===

impl Keeper {
    /// A keeper that has issued the first certificate already.
    ///
    /// # Errors
    /// If it could not be issued.
    pub fn new(
        authority: Arc<Authority>,
        workload: Workload,
        terms: Terms,
        metrics: Metrics,
        trigger: Trigger,
        pods: Option<Arc<Pods>>,
    ) -> Result<Self, OwnError> {
        let identity = Identity::empty();
        let keeper = Self {
            authority,
            identity,
            workload,
            terms,
            metrics,
            trigger,
            pods,
        };
        keeper.issue()?;
        Ok(keeper)
    }

    /// Where servers find the certificate.
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// Renews and reloads until the process stops. Failures are logged and tried again: what is
    /// in use goes on being used.
    ///
    /// # Errors
    /// None; a task must have an error type.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), Infallible> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = Instant::now();
        if self.authority.is_late() && self.advance().await {
            self.renew();
        }
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let changed = self.trigger.fired().await;
            let rechecks = checked.elapsed() >= RECHECK;
            let mut replaced = false;
            if changed || rechecks {
                checked = Instant::now();
                let reloaded = self.reload().await;
                // What can't be used can't be rotated either.
                if rechecks && reloaded.is_some() {
                    replaced = self.advance().await;
                }
                replaced |= reloaded.unwrap_or_default();
            }
            if replaced || self.is_due() {
                self.renew();
            }
        }
    }

    /// Whether the bundle is another one now; `None` if it can't be used.
    async fn reload(&mut self) -> Option<bool> {
        match self.authority.reload().await {
            Ok(true) => {
                tracing::info!("the trust bundle changed; signing with the new one");
                self.trigger.reset().await;
                Some(true)
            }
            Ok(false) => Some(false),
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(
                    error,
                    "the trust bundle could not be reloaded; keeping the one in use"
                );
                None
            }
        }
    }

    /// Rotations are measured in days, so a look now and then is enough.
    async fn advance(&self) -> bool {
        let known = self.pods.as_ref().and_then(|pods| pods.roots());
        match self.authority.advance(known.as_deref()).await {
            Ok(changed) => changed,
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "a rotation failed; the present bundle stays in use");
                false
            }
        }
    }

    /// At half of its life, as every client of sentry renews.
    fn is_due(&self) -> bool {
        self.identity
            .current()
            .is_none_or(|svid| SystemTime::now() >= svid.renew_at())
    }

    fn renew(&self) {
        if let Err(error) = self.issue() {
            self.metrics.own_failed();
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, "sentry's own certificate could not be renewed");
        }
    }

    fn issue(&self) -> Result<(), OwnError> {
        let seed = random::seed()?;
        let public_key = PublicKey::from(&PrivateKey::ed25519(&seed)?);
        let order = Order {
            public_key: &public_key,
            workload: &self.workload,
            dns: &[],
            images: &[],
        };
        let serial = random::serial()?;
        let bundle = self.authority.bundle();
        let issued = bundle.issue(&order, self.terms, Timestamp::now(), serial)?;
        let pkcs8 = key::ed25519_pkcs8(&seed);
        let key = PrivateKeyDer::Pkcs8(pkcs8.as_slice().into());
        self.identity.set(Svid::new(issued.chain, &key)?);
        Ok(())
    }
}
