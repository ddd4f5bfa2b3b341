//! Towards the apps: what stands before daprd's API.

mod call;
mod tokens;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{Request, Response};
use hyper::body::Incoming;
use parking_lot::Mutex;
use proxy_core::{
    limits::{Bounds, Limits},
    source::Range,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use tokens::{OwnToken, TokenFile};

use crate::{
    body::Body,
    forwarder::{Forwarder, protocol},
    metrics::{Counted, Metrics, Side},
    server::{App, Ends, Server},
    upstream::Upstream,
};

/// What the guard is told.
#[derive(Debug)]
pub struct Settings {
    /// What one client may use at once.
    pub bounds: Bounds,
    /// Which addresses may connect; all if there are none and `app` is not set either.
    pub sources: Vec<Range>,
    /// Lets in, besides `sources`, the addresses of the app's endpoints.
    pub app: Option<Arc<Forwarder>>,
    /// The tokens to be shown; none to be shown if nothing.
    pub tokens: Option<TokenFile>,
    /// What daprd is shown instead.
    pub own: OwnToken,
}

/// Who may call daprd, and how much.
#[derive(Debug)]
pub struct Guard {
    settings: Settings,
    limits: Mutex<Limits>,
    metrics: Metrics,
    upstream: Upstream,
}

/// One of daprd's ports.
#[derive(Clone, Debug)]
struct Door {
    guard: Arc<Guard>,
    to: SocketAddr,
}

/// A client's connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    guard: Arc<Guard>,
    ip: IpAddr,
    upstream: std::sync::OnceLock<Upstream>,
    _open: Counted,
}

// === impl Guard ===

impl Guard {
    /// A guard that nobody has passed yet.
    pub fn new(settings: Settings, connect: std::time::Duration, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            limits: Mutex::new(Limits::new(settings.bounds)),
            settings,
            metrics,
            upstream: Upstream::new(connect),
        })
    }

    /// Serves the apps on a port, with daprd's at `to` behind it, until it is stopping.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        to: SocketAddr,
        ends: Ends,
    ) {
        let streams = self.settings.bounds.requests;
        let app = Door { guard: self, to };
        Server {
            app,
            tls,
            streams,
            ends,
        }
        .run(listener)
        .await;
    }

    fn welcomes(&self, ip: IpAddr) -> bool {
        let Settings { sources, app, .. } = &self.settings;
        let anybody = sources.is_empty() && app.is_none();
        anybody
            || sources.iter().any(|range| range.contains(ip))
            || app.as_ref().is_some_and(|app| app.knows_ip(ip))
    }
}

impl App for Door {
    type Connection = Client;

    fn accept(&self, ip: IpAddr) -> Option<Client> {
        let guard = &self.guard;
        if !guard.welcomes(ip) {
            guard.metrics.refused(Side::Api, "source");
            return None;
        }
        if guard.limits.lock().connect(ip).is_err() {
            guard.metrics.refused(Side::Api, "connections");
            return None;
        }
        Some(Client {
            guard: guard.clone(),
            ip,
            upstream: std::sync::OnceLock::new(),
            _open: Counted::new(guard.metrics.connections(Side::Api)),
        })
    }

    async fn call(&self, client: Arc<Client>, request: Request<Incoming>) -> Response<Body> {
        let protocol = protocol(&request);
        let response = self.guard.answer(&client, self.to, request).await;
        let status = response.status();
        self.guard.metrics.answered(Side::Api, protocol, status);
        response
    }
}

// === impl Client ===

impl Client {
    /// Each client has its own HTTP/2 connection to daprd.
    fn upstream(&self) -> &Upstream {
        self.upstream
            .get_or_init(|| self.guard.upstream.with_own_http2())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.guard.limits.lock().disconnect(self.ip);
    }
}
