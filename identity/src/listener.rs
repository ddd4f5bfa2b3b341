//! One listener for axum and tonic alike, plain or TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::Stream;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{Connection, Peer};

/// A peer that has not shaken hands by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at once; more wait in the kernel's queue.
const MOST_HANDSHAKES: usize = 512;
/// After a failed accept (no descriptors left, say), before the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections; a slow handshake holds up nobody else.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    handshakes: JoinSet<Option<Connection>>,
}

// === impl Listener ===

impl Listener {
    /// Listens on the first address that can be bound; with TLS if a configuration is given.
    ///
    /// # Errors
    /// If none can be bound.
    pub async fn bind(
        addresses: &[SocketAddr],
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(addresses).await?;
        Ok(Self {
            socket,
            tls,
            handshakes: JoinSet::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the socket can't tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection whose handshake is done.
    pub async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                accepted = self.socket.accept(), if self.handshakes.len() < MOST_HANDSHAKES => {
                    match accepted {
                        Ok((stream, address)) => self.welcome(stream, address),
                        Err(error) => {
                            tracing::warn!(%error, "accepting a connection failed");
                            sleep(PAUSE).await;
                        }
                    }
                }
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, address: SocketAddr) {
        // Small messages must not wait for others; a failure only costs latency.
        let _ = stream.set_nodelay(true);
        let tls = self.tls.clone();
        self.handshakes.spawn(async move {
            let Some(config) = tls else {
                return Some(Connection::plain(stream, address));
            };
            let accept = TlsAcceptor::from(config).accept(stream);
            match timeout(HANDSHAKE, accept).await {
                Ok(Ok(stream)) => return Some(Connection::tls(stream, address)),
                Ok(Err(error)) => tracing::debug!(%error, %address, "a handshake failed"),
                Err(_) => tracing::debug!(%address, "a handshake took too long"),
            }
            None
        });
    }

    /// The connections as a stream, for tonic's `serve_with_incoming_shutdown`.
    pub fn incoming(self) -> impl Stream<Item = io::Result<Connection>> + Send {
        futures::stream::unfold(self, |mut listener| async move {
            let connection = listener.next().await;
            Some((Ok(connection), listener))
        })
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        let connection = self.next().await;
        let peer = connection.peer().clone();
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::new(self.address()?, None))
    }
}
