//! Whether sidecars speak mTLS, looked up aside from the reviews.
//!
//! The service account of existing charts may `get` the Configuration but not watch it, so it is
//! read now and then.

use std::{convert::Infallible, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::Kubernetes;

/// How long a change of the Configuration may go unseen.
const PERIOD: Duration = Duration::from_secs(10);

/// The state as first read; a failed read counts as "on", the safe side.
pub async fn read(kubernetes: &Kubernetes, namespace: &str) -> watch::Sender<bool> {
    let enabled = watch::Sender::new(true);
    refresh(kubernetes, namespace, &enabled).await;
    enabled
}

/// Follows the Configuration until `stopping`. A failed read leaves the state as it is.
///
/// # Errors
/// Never.
pub async fn follow(
    kubernetes: Kubernetes,
    namespace: String,
    enabled: watch::Sender<bool>,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = sleep(PERIOD) => refresh(&kubernetes, &namespace, &enabled).await,
        }
    }
}

async fn refresh(kubernetes: &Kubernetes, namespace: &str, enabled: &watch::Sender<bool>) {
    match kubernetes.mtls(namespace).await {
        Ok(now) => {
            if enabled.send_replace(now) != now {
                tracing::info!(mtls = now, "daprsystem changed mTLS for new sidecars");
            }
        }
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "mTLS of new sidecars stays as it is");
        }
    }
}
