//! Health checks of each endpoint, by the rules of daprd's checks of an app: healthy after one
//! success, unhealthy after so many failures in a row.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use http::{
    HeaderValue, Method, Request, Response, Version,
    header::{CONTENT_TYPE, TE},
    request::Parts,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Forwarder;
use crate::body::Lent;

/// How endpoints are checked.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What is asked for; over gRPC the method of daprd's contract.
    pub path: String,
    /// The version of HTTP the app speaks, and whether it is gRPC.
    pub protocol: Protocol,
    /// The pause between checks.
    pub interval: Duration,
    /// The wait for an answer.
    pub timeout: Duration,
    /// So many failures in a row make an endpoint unhealthy.
    pub threshold: u32,
}

/// What the app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 without TLS.
    H2c,
    /// gRPC without TLS.
    Grpc,
}

/// The method of `dapr/proto/runtime/v1/appcallback.proto`.
const GRPC_HEALTH: &str = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";

// === impl Forwarder ===

impl Forwarder {
    /// Checks every endpoint again and again, and new ones at once.
    pub async fn check(self: Arc<Self>, stopping: CancellationToken) {
        let Some(checks) = &self.checks else {
            return stopping.cancelled().await;
        };
        let (mut changes, mut failures) = (self.changes.subscribe(), HashMap::new());
        let (mut known, mut next) = (Vec::new(), Instant::now());
        loop {
            let endpoints = self.state.lock().pool.ready();
            // Before the first check of an endpoint no call can be sent to it.
            if endpoints.iter().any(|endpoint| !known.contains(endpoint)) || Instant::now() >= next
            {
                self.check_all(checks, &endpoints, &mut failures).await;
                next = Instant::now() + checks.interval;
            }
            known = endpoints;
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep_until(next) => {}
                // The sender is part of the forwarder, which this holds.
                _ = changes.changed() => {}
            }
        }
    }

    async fn check_all(
        &self,
        checks: &Checks,
        endpoints: &[SocketAddr],
        failures: &mut HashMap<SocketAddr, u32>,
    ) {
        failures.retain(|endpoint, _| endpoints.contains(endpoint));
        let answers = endpoints
            .iter()
            .map(|endpoint| self.is_well(checks, *endpoint));
        let mut changed = false;
        for (endpoint, well) in endpoints.iter().zip(join_all(answers).await) {
            let failed = failures.entry(*endpoint).or_default();
            *failed = if well { 0 } else { failed.saturating_add(1) };
            if well || *failed >= checks.threshold {
                changed |= self.state.lock().pool.set_health(*endpoint, well);
            }
        }
        if changed {
            self.metrics.endpoints(self.counts());
            self.changes.send_replace(());
        }
    }

    async fn is_well(&self, checks: &Checks, endpoint: SocketAddr) -> bool {
        let request = checks.request();
        let ask = async {
            let answer = self.upstream.send(endpoint, &request, checks.body()).await;
            match answer {
                Ok(answer) => is_success(answer, checks.protocol).await,
                Err(_) => false,
            }
        };
        timeout(checks.timeout, ask).await.unwrap_or(false)
    }
}

// === impl Checks ===

impl Checks {
    fn request(&self) -> Parts {
        let (mut request, ()) = Request::new(()).into_parts();
        let path = match self.protocol {
            Protocol::Grpc => GRPC_HEALTH,
            Protocol::Http | Protocol::H2c => &self.path,
        };
        request.uri = path.parse().unwrap_or_default();
        if self.protocol != Protocol::Http {
            request.version = Version::HTTP_2;
        }
        if self.protocol == Protocol::Grpc {
            request.method = Method::POST;
            let kind = HeaderValue::from_static("application/grpc");
            request.headers.insert(CONTENT_TYPE, kind);
            let trailers = HeaderValue::from_static("trailers");
            request.headers.insert(TE, trailers);
        }
        request
    }

    fn body(&self) -> Lent {
        match self.protocol {
            // An empty message: not compressed, no bytes long.
            Protocol::Grpc => Lent::Own(Bytes::from_static(&[0; 5]).into()),
            Protocol::Http | Protocol::H2c => Lent::empty(),
        }
    }
}

/// gRPC says how a call ended in its trailers, or in the headers of an answer without a body.
async fn is_success(answer: Response<Incoming>, protocol: Protocol) -> bool {
    let (head, body) = answer.into_parts();
    if protocol != Protocol::Grpc {
        return head.status.is_success();
    }
    let Ok(body) = body.collect().await else {
        return false;
    };
    let trailed = body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status"));
    let code = trailed.or_else(|| head.headers.get("grpc-status"));
    code.is_some_and(|code| code == "0")
}
