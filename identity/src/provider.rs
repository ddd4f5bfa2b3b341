//! Gets this process's SVID from sentry, and renews it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use identity_core::{TrustDomain, Workload, WorkloadError};
use rustls::ClientConfig;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Identity, KeyKind, TrustAnchors, sentry, tls};

/// The name of sentry among the control plane's SPIFFE IDs.
const SENTRY: &str = "dapr-sentry";
/// The clock is looked at least this often, since it may jump.
const GLANCE: Duration = Duration::from_mins(1);
/// After a failed renewal, while the old SVID still serves.
const RENEWAL_RETRY: Duration = Duration::from_secs(10);

/// Who asks which sentry for what.
#[derive(Clone, Debug)]
pub struct Request {
    /// The service's name, such as `dapr-operator`.
    pub app_id: &'static str,
    /// The namespace of the control plane, sentry's too.
    pub namespace: String,
    /// The trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// Where sentry is, `host:port`.
    pub sentry_address: String,
    /// The kind of key to make.
    pub key: KeyKind,
    /// Whether the process runs in Kubernetes, where a service account's token proves who it is.
    pub kubernetes: bool,
}

/// Why no provider could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The namespace is not legal in a SPIFFE ID.
    #[error("sentry has no SPIFFE ID in this namespace")]
    Sentry(#[from] WorkloadError),
    /// No TLS.
    #[error("TLS to sentry could not be set up")]
    Tls(#[from] rustls::Error),
}

/// Keeps an [`Identity`] filled.
#[derive(Debug)]
pub struct Provider {
    request: Request,
    anchors: TrustAnchors,
    identity: Identity,
    tls: Arc<ClientConfig>,
}

// === impl Provider ===

impl Provider {
    /// A provider that does nothing until it runs.
    ///
    /// # Errors
    /// If the namespace makes no SPIFFE ID for sentry.
    pub fn new(request: Request, anchors: TrustAnchors) -> Result<Self, ProviderError> {
        let domain = request.trust_domain.clone();
        let sentry = Workload::new(domain, &*request.namespace, SENTRY).spiffe_id()?;
        let tls = tls::client(None, &anchors, sentry)?;
        Ok(Self {
            request,
            anchors,
            identity: Identity::empty(),
            tls,
        })
    }

    /// The identity that this provider fills.
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// Gets the first SVID, then renews it at half of its life, until `stopping`.
    ///
    /// Sentry may come up later than this process, and may refuse at first what it has not heard
    /// of yet; so every failure is logged and tried again, the first SVID with growing waits.
    pub async fn run(self, stopping: CancellationToken) {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&self) {
        self.anchors.ready().await;
        let mut waits = first_waits();
        loop {
            match sentry::fetch(&self.request, self.tls.clone()).await {
                Ok(svid) => {
                    tracing::info!(spiffe_id = %svid.spiffe_id(), "got an identity from sentry");
                    let renew_at = svid.renew_at();
                    self.identity.set(svid);
                    sleep_until(renew_at).await;
                }
                Err(error) => {
                    report(&error);
                    sleep(self.wait(&mut waits)).await;
                }
            }
        }
    }

    fn wait(&self, waits: &mut ExponentialBackoff) -> Duration {
        match self.identity.current() {
            Some(_) => RENEWAL_RETRY,
            None => waits.next().unwrap_or(RENEWAL_RETRY),
        }
    }
}

/// Apart, because a borrowed error held over an await would pin the task to its thread.
fn report(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "no identity from sentry; trying again");
}

fn first_waits() -> ExponentialBackoff {
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(5));
    ExponentialBuilder::default()
        .with_min_delay(shortest)
        .with_max_delay(longest)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn sleep_until(time: SystemTime) {
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        sleep(left.min(GLANCE)).await;
    }
}
