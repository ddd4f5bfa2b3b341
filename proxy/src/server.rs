//! Plain or TLS connections with HTTP/1.1 or HTTP/2 on one port, each with an end.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use proxy_core::{age, source};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{body::Body, random};

/// A TLS handshake may take so long.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Without descriptors left, accepting fails at once; trying again at once would not help.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection made while the process drains: long enough for one call, then it has to go.
const LAST_AGE: Duration = Duration::from_secs(1);

/// Clients that vanished are noticed after about twice this.
const SILENCE: Duration = Duration::from_mins(1);

/// What serves the requests of a port.
pub(crate) trait App: Clone + Send + Sync + 'static {
    /// What lives as long as a connection.
    type Connection: Send + Sync + 'static;

    /// Lets a client in, or not.
    fn accept(&self, client: IpAddr) -> Option<Self::Connection>;

    /// Answers a request.
    fn call(
        &self,
        connection: Arc<Self::Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// When connections end.
#[derive(Clone, Debug)]
pub struct Ends {
    /// From then on clients are asked to go elsewhere; new ones are still served.
    pub draining: CancellationToken,
    /// From then on nobody is let in.
    pub stopping: CancellationToken,
    /// After that those inside may finish their calls for so long.
    pub deadline: Duration,
    /// Connections live about so long; zero for ever.
    pub longest_age: Duration,
}

/// One port.
pub(crate) struct Server<A> {
    pub(crate) app: A,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) streams: u32,
    pub(crate) ends: Ends,
}

// === impl Server ===

impl<A: App> Server<A> {
    /// Serves until it is stopping, and until every connection ended or the deadline passed.
    pub(crate) async fn run(self, listener: TcpListener) {
        let (connections, server) = (TaskTracker::new(), Arc::new(self));
        let stopped = server.ends.stopping.clone();
        stopped
            .run_until_cancelled(server.clone().accept(&listener, &connections))
            .await;
        drop(listener);
        connections.close();
        if timeout(server.ends.deadline, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(),
                "connections outlived the drain"
            );
        }
    }

    async fn accept(self: Arc<Self>, listener: &TcpListener, connections: &TaskTracker) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.welcome(stream, peer, connections);
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whoever may not come in finds the connection closed.
    fn welcome(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, connections: &TaskTracker) {
        let Some(connection) = self.app.accept(source::canonical(peer.ip())) else {
            return;
        };
        // These only cost latency or tidiness where they fail.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
        let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, SILENCE);
        let server = self.clone();
        connections.spawn(async move { server.serve(stream, connection).await });
    }

    async fn serve(&self, stream: TcpStream, connection: A::Connection) {
        let Some(tls) = &self.tls else {
            return self.converse(stream, connection).await;
        };
        match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream, connection).await,
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn converse<I>(&self, stream: I, connection: A::Connection)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (connection, turn) = (Arc::new(connection), Arc::new(Turn::default()));
        let service = service_fn(|request| self.answer(&connection, &turn, request));
        let builder = self.builder();
        let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let (mut aged, mut stopping) = (
            pin!(self.ends.of_age()),
            pin!(self.ends.stopping.cancelled()),
        );
        let (mut is_old, mut is_last) = (false, false);
        loop {
            tokio::select! {
                ended = &mut served => {
                    return ended.unwrap_or_else(|error| tracing::debug!(error, "a connection broke"));
                }
                () = &mut aged, if !is_old => {
                    is_old = true;
                    if turn.grow_old() {
                        served.as_mut().graceful_shutdown();
                    }
                }
                () = &mut stopping, if !is_last => {
                    is_last = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Nothing is added to what goes through, not even a date.
    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .auto_date_header(false)
            // It would also end connections that are idle, while a request may be on its way.
            .header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(self.streams)
            .keep_alive_interval(SILENCE);
        builder
    }

    fn answer(
        &self,
        connection: &Arc<A::Connection>,
        turn: &Arc<Turn>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<A> {
        let http1 = request.version() != Version::HTTP_2;
        turn.speaks(http1);
        let (app, connection, turn) = (self.app.clone(), connection.clone(), turn.clone());
        async move {
            let mut response = app.call(connection, request).await;
            if http1 && turn.is_old() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok(response)
        }
    }
}

/// What a connection speaks and whether it has to go. Over HTTP/1.1 its end is said in an
/// answer: a request may be on its way to an idle connection, and would be lost with it.
#[derive(Debug, Default)]
struct Turn(AtomicU8);

const HTTP1: u8 = 1;
const OLD: u8 = 2;

// === impl Turn ===

impl Turn {
    fn speaks(&self, http1: bool) {
        if http1 {
            self.0.fetch_or(HTTP1, Ordering::Relaxed);
        }
    }

    /// True if the connection can be told to end now.
    fn grow_old(&self) -> bool {
        self.0.fetch_or(OLD, Ordering::Relaxed) & HTTP1 == 0
    }

    fn is_old(&self) -> bool {
        self.0.load(Ordering::Relaxed) & OLD != 0
    }
}

// === impl Ends ===

impl Ends {
    /// Connections that never grow old and end with the process.
    pub fn only(stopping: CancellationToken, deadline: Duration) -> Self {
        Self {
            draining: CancellationToken::new(),
            stopping,
            deadline,
            longest_age: Duration::ZERO,
        }
    }

    /// Waits for the end of a connection that was made just now.
    async fn of_age(&self) {
        if self.draining.is_cancelled() {
            return sleep(LAST_AGE).await;
        }
        let lifetime = age::lifetime(self.longest_age, random::number());
        let aged = async {
            match lifetime {
                Some(lifetime) => sleep(lifetime).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = aged => {}
            () = self.draining.cancelled() => {}
        }
    }
}
