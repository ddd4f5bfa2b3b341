//! The gRPC server: connections, their keep-alive, and their end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use config::listen::ListenAddressError;
use futures::{Stream, TryStreamExt};
use identity::Listener;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::Connected};

use crate::{
    options::Keepalive,
    rpc::Rpc,
    visitor::{Stay, Visit},
};

/// How long connections may take to end after their streams did. A client that does not read
/// would otherwise hold the stop up.
const GRACE: Duration = Duration::from_secs(3);

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] ListenAddressError),
    /// The address cannot be listened on.
    #[error("listening for sidecars on {addresses:?}")]
    Listen {
        /// What was tried.
        addresses: Vec<SocketAddr>,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The server broke.
    #[error("serving sidecars")]
    Serve(#[source] tonic::transport::Error),
}

/// Listens, with mTLS if `tls` is given; on all addresses if `address` is empty.
///
/// # Errors
/// If the address is none, or cannot be had.
pub(crate) async fn listen(
    address: &str,
    port: u16,
    tls: Option<Arc<ServerConfig>>,
) -> Result<Listener, ServerError> {
    let addresses = config::listen::addresses(address, port)?;
    let listener = Listener::bind(&addresses, tls).await;
    listener.map_err(|source| ServerError::Listen { addresses, source })
}

/// Serves until `stopping`, and keeps connections without a stream as long as `stay` says; then waits a little for the connections to end.
///
/// # Errors
/// If the server breaks.
pub async fn serve<C>(
    incoming: impl Stream<Item = io::Result<C>>,
    rpc: Rpc,
    keepalive: Keepalive,
    stay: Stay,
    stopping: CancellationToken,
) -> Result<(), ServerError>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let incoming = incoming.map_ok(|connection| Visit::new(connection, stay));
    let server = Server::builder()
        .http2_keepalive_interval(Some(keepalive.time))
        .http2_keepalive_timeout(Some(keepalive.timeout))
        // Each stream is a sidecar; how many share a connection is theirs to decide.
        .max_concurrent_streams(None)
        .serve_with_incoming_shutdown(rpc, incoming, stopping.clone().cancelled_owned());
    let graceless = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => result.map_err(ServerError::Serve),
        () = graceless => Ok(()),
    }
}
