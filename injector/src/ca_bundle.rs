//! Keeps the webhook configuration's CA bundle equal to the trust anchors.
//!
//! The API server calls a webhook only if it can verify it. Whoever wipes the bundle (a forced
//! upgrade, a tool that applies a repository) would end injection, so it is set again now and then.

use std::{convert::Infallible, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use identity::TrustAnchors;
use identity_core::TrustBundle;
use process::Target;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Kubernetes;

/// How long a wiped bundle may go unseen. Setting it to what it is changes nothing in the server.
const PERIOD: Duration = Duration::from_secs(30);

/// Sets the bundle of this webhook at once, at each change of the anchors, and every period, until `stopping`.
/// `ready` is met when it was first set.
///
/// # Errors
/// Never.
pub async fn keep(
    kubernetes: Kubernetes,
    webhook: String,
    anchors: TrustAnchors,
    ready: Target,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    tokio::select! {
        () = stopping.cancelled() => Ok(()),
        never = keep_on(&kubernetes, &webhook, &anchors, &ready) => match never {},
    }
}

async fn keep_on(
    kubernetes: &Kubernetes,
    webhook: &str,
    anchors: &TrustAnchors,
    ready: &Target,
) -> Infallible {
    let mut seen: Option<Arc<TrustBundle>> = None;
    loop {
        let bundle = anchors.ready().await;
        set(kubernetes, webhook, &bundle).await;
        ready.ready();
        if seen.as_ref() != Some(&bundle) {
            tracing::info!("the webhook configuration has the CA bundle");
        }
        // A change ends the wait early; both ways lead to the same.
        let _ = timeout(PERIOD, anchors.changed(&bundle)).await;
        seen = Some(bundle);
    }
}

/// Tries until it is done, later each time.
async fn set(kubernetes: &Kubernetes, webhook: &str, bundle: &TrustBundle) {
    let mut waits = waits();
    while let Err(error) = kubernetes.set_ca_bundle(webhook, bundle.pem()).await {
        report(&error);
        sleep(waits.next().unwrap_or(PERIOD)).await;
    }
}

fn report(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(
        error,
        "the API server can't verify this webhook yet; trying again"
    );
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(PERIOD)
        .with_jitter()
        .without_max_times()
        .build()
}
