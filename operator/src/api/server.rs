//! Serves the API over mutual TLS.

use std::net::SocketAddr;
use std::time::Duration;

use identity::tls::{Clients, server};
use identity::{Identity, Listener, TrustAnchors};
use process::Target;
use proto::operator::v1::operator_server::OperatorServer;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::Api;
use crate::secrets::ReadSecrets;

/// Streams of one connection: a sidecar has one for each kind, proxies bundle many.
const MOST_STREAMS: u32 = 10_000;

/// A sidecar that went without a word is noticed after this and its streams are forgotten.
const PING_EVERY: Duration = Duration::from_mins(1);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Open calls get this long when the process stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address is taken or not ours.
    #[error("listen for sidecars on {0:?}")]
    Listen(Vec<SocketAddr>, #[source] std::io::Error),
    /// No TLS.
    #[error("set up TLS for sidecars")]
    Tls(#[from] rustls::Error),
    /// The server ended by itself.
    #[error("serve sidecars")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves the API until `stopping`, as soon as there is an identity to serve it with.
pub(crate) async fn serve<S: ReadSecrets>(
    api: Api<S>,
    addresses: Vec<SocketAddr>,
    identity: Identity,
    anchors: TrustAnchors,
    ready: Target,
    stopping: CancellationToken,
) -> Result<(), ServeError> {
    if stopping
        .run_until_cancelled(identity.ready())
        .await
        .is_none()
    {
        return Ok(());
    }
    let tls = server(&identity, Clients::Mtls(&anchors), &[b"h2"])?;
    let listener = Listener::bind(&addresses, Some(tls)).await;
    let listener = listener.map_err(|error| ServeError::Listen(addresses, error))?;
    ready.ready();
    tracing::info!("serving sidecars");
    let serving = Server::builder()
        .max_concurrent_streams(Some(MOST_STREAMS))
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .add_service(OperatorServer::new(api))
        .serve_with_incoming_shutdown(listener.incoming(), stopping.clone().cancelled_owned());
    tokio::select! {
        served = serving => Ok(served?),
        () = overdue(&stopping) => {
            tracing::warn!("some calls did not end in time");
            Ok(())
        }
    }
}

async fn overdue(stopping: &CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
