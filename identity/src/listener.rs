//! One listener for axum and tonic alike, plain or TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::Stream;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{Connection, Peer};

/// A peer that has not shaken hands by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at once; more wait in the kernel's queue.
const MOST_HANDSHAKES: usize = 512;
/// How many may wait to be accepted: all sidecars of a cluster come at once after a restart, and
/// whoever finds the queue full tries again only a second later. The kernel has a limit of its own.
const BACKLOG: u32 = 8192;
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
    #[expect(
        clippy::unused_async,
        reason = "makes callers be within a runtime, which it needs"
    )]
    pub async fn bind(
        addresses: &[SocketAddr],
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        Ok(Self {
            socket: listen(addresses)?,
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

fn listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failure = io::ErrorKind::InvalidInput.into();
    for address in addresses {
        match listen_on(*address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As tokio does: a restart must not wait for connections of before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
