//! Connections to where calls are sent, pooled by address.

use std::{net::SocketAddr, time::Duration};

use http::{
    Request, Response, Uri, Version,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{body::Lent, headers};

/// Shorter than the keep-alive of any common server (the shortest is 2 s), so that a call is
/// never written to a connection that the other side is about to close.
const IDLE: Duration = Duration::from_millis(1500);

/// Idle connections kept for each address.
const MOST_IDLE: usize = 64;

/// A peer that vanished without a word is noticed by the kernel after this. HTTP/2 pings would
/// do, but gRPC servers end connections that ping often.
const SILENCE: Duration = Duration::from_secs(30);

/// Clients for both versions of HTTP; clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    connector: HttpConnector,
    http1: Client<HttpConnector, Lent>,
    http2: Client<HttpConnector, Lent>,
}

// === impl Upstream ===

impl Upstream {
    /// Connecting may take `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience));
        connector.set_keepalive(Some(SILENCE / 2));
        connector.set_tcp_user_timeout(Some(SILENCE));
        Self {
            http1: client(connector.clone(), false),
            http2: client(connector.clone(), true),
            connector,
        }
    }

    /// The same, but with a connection for HTTP/2 that is shared with nobody: whoever reads
    /// slowly stops only his own streams.
    pub(crate) fn with_own_http2(&self) -> Self {
        Self {
            http2: client(self.connector.clone(), true),
            ..self.clone()
        }
    }

    /// Sends a request in the version of HTTP it came in.
    ///
    /// # Errors
    /// If there was no answer. `is_connect` tells that nothing was sent.
    pub(crate) async fn send(
        &self,
        to: SocketAddr,
        parts: &Parts,
        body: Lent,
    ) -> Result<Response<Incoming>, Error> {
        let http2 = parts.version == Version::HTTP_2;
        let request = request(to, parts, body, http2);
        let client = if http2 { &self.http2 } else { &self.http1 };
        let mut response = client.request(request).await?;
        headers::strip(response.headers_mut());
        Ok(response)
    }
}

fn client(connector: HttpConnector, http2: bool) -> Client<HttpConnector, Lent> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .http2_only(http2)
        .build(connector)
}

fn request(to: SocketAddr, parts: &Parts, body: Lent, http2: bool) -> Request<Lent> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri(to, &parts.uri);
    *request.version_mut() = if http2 {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    *request.headers_mut() = parts.headers.clone();
    headers::strip(request.headers_mut());
    request
}

fn uri(to: SocketAddr, asked: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    // A socket address is always an authority.
    parts.authority = Authority::from_maybe_shared(to.to_string()).ok();
    let path = asked.path_and_query().cloned();
    parts.path_and_query = path.or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}
