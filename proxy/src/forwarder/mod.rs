//! Towards the app: one port that daprd takes for the app, and the app's endpoints behind it.

mod deliver;
mod health;
mod learnt;
mod lease;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode, Version, request::Parts};
use hyper::body::Incoming;
use parking_lot::Mutex;
use proxy_core::{
    actors::Actors,
    endpoint::Endpoint,
    patience::{Bounds, Holding},
    pool::{Counts, Locality, Pool},
    route::{self, AppCall},
};
use tokio::{net::TcpListener, sync::watch};

use learnt::Questions;

pub use health::{Checks, Protocol};

use crate::{
    answer,
    body::{Body, Keeping, Lent},
    exclusive::{Exclusive, Fate},
    headers,
    metrics::{Counted, Metrics, Side},
    server::{App, Ends, Server},
    upstream::Upstream,
};

/// daprd opens a connection for every 100 gRPC calls at once; held calls have to fit in too.
const STREAMS: u32 = 1_024;

/// What the forwarder is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which endpoints are near.
    pub locality: Locality,
    /// How much is held, and how long.
    pub holding: Bounds,
    /// A connection to an endpoint may take so long.
    pub connect: Duration,
    /// How endpoints are checked, if they are.
    pub checks: Option<Checks>,
    /// Who delivers what every instance gets, if that matters.
    pub exclusive: Option<Arc<Exclusive>>,
}

/// Delivers daprd's calls to the app's endpoints.
#[derive(Debug)]
pub struct Forwarder {
    state: Mutex<State>,
    /// Waiting calls ask again when this changes.
    changes: watch::Sender<()>,
    upstream: Upstream,
    checks: Option<Checks>,
    exclusive: Option<Arc<Exclusive>>,
    questions: Questions,
    metrics: Metrics,
}

#[derive(Debug)]
struct State {
    pool: Pool,
    actors: Actors,
    holding: Holding,
}

// === impl Forwarder ===

impl Forwarder {
    /// A forwarder that knows no endpoint yet.
    pub fn new(settings: Settings, metrics: Metrics) -> Arc<Self> {
        let Settings {
            locality,
            holding,
            connect,
            checks,
            exclusive,
        } = settings;
        let state = State {
            pool: Pool::new(locality, checks.is_some()),
            actors: Actors::default(),
            holding: Holding::new(holding),
        };
        metrics.endpoints(Counts::default());
        Arc::new(Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(()),
            upstream: Upstream::new(connect),
            checks,
            exclusive,
            questions: Questions::default(),
            metrics,
        })
    }

    /// Serves daprd on a port until it is stopping.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, ends: Ends) {
        let server = Server {
            app: self,
            tls: None,
            streams: STREAMS,
            ends,
        };
        server.run(listener).await;
    }

    /// The app's endpoints as they are now.
    pub fn set_endpoints(&self, endpoints: Vec<Endpoint>) {
        let mut state = self.state.lock();
        let State { pool, actors, .. } = &mut *state;
        pool.update(endpoints);
        actors.keep(|address| pool.knows(address));
        self.metrics.endpoints(pool.counts());
        drop(state);
        self.changes.send_replace(());
    }

    /// How many endpoints there are.
    pub fn counts(&self) -> Counts {
        self.state.lock().pool.counts()
    }

    /// How many calls wait for an endpoint.
    pub fn pending(&self) -> usize {
        self.state.lock().holding.held()
    }

    /// Whether any endpoint has this address.
    pub fn knows_ip(&self, ip: std::net::IpAddr) -> bool {
        self.state.lock().pool.has_ip(ip)
    }

    /// Who delivers what every instance gets, if that matters.
    pub fn exclusive(&self) -> Option<&Arc<Exclusive>> {
        self.exclusive.as_ref()
    }

    fn refused(&self, address: SocketAddr) {
        self.metrics.retries.inc();
        self.state.lock().pool.refused(address, Instant::now());
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let body = Lent::new(body);
        let grpc = headers::is_grpc(&parts.headers);
        let reentrant = parts.headers.contains_key(route::REENTRANCY);
        let health = self.checks.as_ref().map(|checks| &*checks.path);
        let call = route::app_call(parts.method.as_str(), parts.uri.path(), health, reentrant);
        if call == AppCall::Health {
            return self.tell_health(grpc);
        }
        if call == AppCall::Any
            && let Some(answer) = self.leave_to_leader(&parts, &body, grpc).await
        {
            return answer;
        }
        parts.headers.remove(route::INVOKED);
        match self.deliver(&parts, &body, &call).await {
            Ok((response, _lease)) if call == AppCall::Once => {
                self.remember(&parts, response).await
            }
            Ok((response, lease)) => response.map(|body| Keeping::boxed(body, lease)),
            Err(failure) => {
                self.metrics.refused(Side::App, failure.reason());
                failure.answer(grpc)
            }
        }
    }

    /// The answer to an event that is not delivered here.
    async fn leave_to_leader(
        &self,
        parts: &Parts,
        body: &Lent,
        grpc: bool,
    ) -> Option<Response<Body>> {
        let exclusive = self.exclusive.as_ref()?;
        if !exclusive.has(parts, body).await {
            return None;
        }
        match exclusive.fate().await {
            Fate::Delivered => None,
            Fate::Dropped if grpc => Some(answer::done(true)),
            // To daprd anything but 200 is a failure.
            Fate::Dropped => Some(answer::empty(StatusCode::OK)),
            Fate::Unknown => {
                self.metrics.refused(Side::App, "no_leader");
                let message = "no instance of this app leads, so nobody may take the event";
                Some(answer::Refusal::Unavailable.answer(grpc, message))
            }
        }
    }

    /// daprd sees one app that is well as long as any endpoint is.
    fn tell_health(&self, grpc: bool) -> Response<Body> {
        if self.state.lock().pool.app_is_healthy() {
            return answer::done(grpc);
        }
        answer::Refusal::Unavailable.answer(grpc, "no endpoint of the app is healthy")
    }
}

impl App for Arc<Forwarder> {
    type Connection = Counted;

    fn accept(&self, _client: std::net::IpAddr) -> Option<Counted> {
        Some(Counted::new(self.metrics.connections(Side::App)))
    }

    async fn call(&self, _connection: Arc<Counted>, request: Request<Incoming>) -> Response<Body> {
        let protocol = protocol(&request);
        let response = self.answer(request).await;
        let status = response.status();
        self.metrics.answered(Side::App, protocol, status);
        response
    }
}

/// The protocol of a request, as metrics name it.
pub(crate) fn protocol(request: &Request<Incoming>) -> &'static str {
    match request.version() {
        Version::HTTP_2 if headers::is_grpc(request.headers()) => "grpc",
        Version::HTTP_2 => "http2",
        _ => "http1",
    }
}
