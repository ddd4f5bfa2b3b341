//! Leadership over a `coordination.k8s.io/v1` Lease: one replica acts, the others stand by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Others may take the lease this long after its last renewal (seconds).
const DURATION: u64 = 15;
/// The holder renews this long before that (seconds).
const GRACE: u64 = 5;
/// A holder that could not renew for this long has lost, before others can win.
const GIVE_UP: Duration = Duration::from_secs(4);
const RETRY: Duration = Duration::from_secs(1);

/// The file in which a pod finds its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Why leadership ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Not in a pod, so there is no namespace to keep the Lease in.
    #[error("the namespace of the Lease {name} could not be read from {NAMESPACE_FILE}")]
    Namespace {
        /// The Lease.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The API server refused the Lease.
    #[error("the Lease {0} could not be prepared")]
    Prepare(&'static str, #[source] LeaseManagerError),
    /// Another replica may lead now; this process must end, so that it acts no more.
    #[error("leadership of the Lease {0} was lost")]
    Lost(&'static str),
}

/// Stands for the Lease `name` in the pod's own namespace until `stopping`, then gives it up.
///
/// Sends `true` on `leading` when the Lease is won. It never sends `false`: losing the Lease is
/// an error, and as a supervised task that ends the process.
///
/// # Errors
/// If the Lease can't be prepared, or was lost.
pub async fn stand(
    client: Client,
    name: &'static str,
    leading: watch::Sender<bool>,
    stopping: CancellationToken,
) -> Result<(), LeaseError> {
    let manager = prepare(client, name).await?;
    let result = tokio::select! {
        () = stopping.cancelled() => Ok(()),
        error = campaign(&manager, name, &leading) => Err(error),
    };
    if let Err(error) = manager.release().await {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(
            error,
            name,
            "the Lease could not be given up; it runs out by itself"
        );
    }
    result
}

async fn prepare(client: Client, name: &'static str) -> Result<LeaseManager, LeaseError> {
    let namespace = std::fs::read_to_string(NAMESPACE_FILE)
        .map_err(|source| LeaseError::Namespace { name, source })?;
    LeaseManagerBuilder::new(client, name)
        .with_namespace(namespace.trim())
        .with_identity(identity())
        .with_duration(DURATION)
        .with_grace(GRACE)
        .build()
        .await
        .map_err(|error| LeaseError::Prepare(name, error))
}

/// Unlike that of any other replica, and of this pod's earlier lives.
fn identity() -> String {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_nanos());
    format!("{host}_{nanos:x}")
}

async fn campaign(
    manager: &LeaseManager,
    name: &'static str,
    leading: &watch::Sender<bool>,
) -> LeaseError {
    let mut failing: Option<Instant> = None;
    loop {
        match manager.changed().await {
            Ok(true) => {
                failing = None;
                tracing::info!(name, "leading");
                leading.send_replace(true);
            }
            Ok(false) if *leading.borrow() => return LeaseError::Lost(name),
            Ok(false) => failing = None,
            Err(error) => {
                report(name, &error);
                let since = *failing.get_or_insert_with(Instant::now);
                if *leading.borrow() && since.elapsed() > GIVE_UP {
                    return LeaseError::Lost(name);
                }
                sleep(RETRY).await;
            }
        }
    }
}

/// Apart, so that nothing that can't move between threads lives across a wait.
fn report(name: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(
        error,
        name,
        "the Lease could not be read or renewed; retrying"
    );
}
