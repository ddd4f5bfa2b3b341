//! The way to servers that are known by their SPIFFE ID.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Error};

/// A connection that was dialled, with or without TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for S {}

/// Connects to `address`, `host:port`; by TLS if that is given. The name is looked up each time.
///
/// # Errors
/// If nobody answers there, or it is another than `tls` expects.
pub async fn dial(address: &str, tls: Option<&Arc<ClientConfig>>) -> io::Result<Box<dyn Socket>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Box::new(stream));
    };
    // The server is known by its SPIFFE ID; a name is needed but never checked.
    let name = ServerName::try_from("dapr").map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(tls));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// A gRPC channel over what [`dial`] gives, connected within a time.
///
/// # Errors
/// If it cannot be connected.
pub async fn channel(
    address: &str,
    tls: Option<Arc<ClientConfig>>,
    within: Duration,
) -> Result<Channel, Error> {
    let target = address.to_owned();
    let dial = tower::service_fn(move |_| {
        let (target, tls) = (target.clone(), tls.clone());
        async move { dial(&target, tls.as_ref()).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    endpoint
        .connect_timeout(within)
        .connect_with_connector(dial)
        .await
}
