//! A host that is no pod, resolved again and again.

use std::{collections::BTreeSet, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use proxy_core::endpoint::Endpoint;
use tokio::{net::lookup_host, time::interval};
use tokio_util::sync::CancellationToken;

use crate::forwarder::Forwarder;

/// A host and a port, such as `orders.example.org:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// The text is no host and port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a host and a port, such as orders.example.org:8080, without a scheme")]
pub struct HostError(String);

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (host, port) = text.rsplit_once(':').unwrap_or_default();
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_host = !host.is_empty() && !host.contains('/');
        let host = (is_port && is_host).then(|| Self(text.into()));
        host.ok_or_else(|| HostError(text.into()))
    }
}

/// Tells the forwarder of the host's addresses until it is stopping. A name that can't be
/// resolved leaves the addresses that are known.
pub async fn follow(
    forwarder: Arc<Forwarder>,
    host: Host,
    pause: Duration,
    stopping: CancellationToken,
) {
    let (mut known, mut ticks) = (BTreeSet::new(), interval(pause));
    while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        match lookup_host(&host.0).await {
            Ok(addresses) => {
                let found: BTreeSet<SocketAddr> = addresses.collect();
                if found != known {
                    forwarder.set_endpoints(found.iter().copied().map(Endpoint::bare).collect());
                    known = found;
                }
            }
            Err(error) => tracing::warn!(%error, host = host.0, "the app's host has no address"),
        }
    }
}
