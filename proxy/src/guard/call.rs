//! One request of an app.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use proxy_core::route::{self, ApiCall, TOKEN};

use super::{Client, Guard};
use crate::{
    answer::{self, Refusal},
    body::{Body, Keeping, Lent},
    headers,
    metrics::{Counted, Side},
};

/// A request that runs, counted until it is dropped.
struct Running {
    guard: Arc<Guard>,
    ip: IpAddr,
    _in_flight: Counted,
}

// === impl Guard ===

impl Guard {
    pub(super) async fn answer(
        self: &Arc<Self>,
        client: &Client,
        to: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let grpc = headers::is_grpc(request.headers());
        let refuse = |refusal: Refusal, reason: &'static str, message: &str| {
            self.metrics.refused(Side::Api, reason);
            refusal.answer(grpc, message)
        };
        let Ok(running) = Running::begin(self, client.ip) else {
            let message = "too many requests of this client run at once";
            return refuse(Refusal::Exhausted, "requests", message);
        };
        let call = route::api_call(request.method().as_str(), request.uri().path());
        if call != ApiCall::Health && !self.is_authentic(request.headers()) {
            return refuse(
                Refusal::Unauthenticated,
                "token",
                "the API token is missing or wrong",
            );
        }
        if call == ApiCall::Shutdown {
            tracing::info!(client = %client.ip, "a shutdown call was answered and not passed on");
            self.metrics.refused(Side::Api, "shutdown");
            return answer::done(grpc);
        }
        match self.pass_on(client, to, request).await {
            Ok(response) => response.map(|body| Keeping::boxed(body, running)),
            Err(error) if error.is_connect() => refuse(
                Refusal::Unavailable,
                "unreachable",
                "daprd accepts no connections",
            ),
            Err(_) => refuse(Refusal::Broken, "broken", "daprd broke off"),
        }
    }

    async fn pass_on(
        &self,
        client: &Client,
        to: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let (mut parts, body) = request.into_parts();
        self.show_own_token(&mut parts.headers);
        if route::is_invocation(parts.uri.path(), &parts.headers) {
            let mark = HeaderValue::from_static("1");
            parts.headers.insert(route::INVOKED, mark);
        }
        client.upstream().send(to, &parts, Lent::new(body)).await
    }

    fn is_authentic(&self, headers: &HeaderMap) -> bool {
        let Some(tokens) = &self.settings.tokens else {
            return true;
        };
        let shown = headers.get(TOKEN).map_or(&[][..], |shown| shown.as_bytes());
        tokens.accepts(shown, Instant::now())
    }

    /// A token that was checked here is nobody else's business: daprd would pass it on to the
    /// apps it calls if it has none of its own to look for.
    fn show_own_token(&self, headers: &mut HeaderMap) {
        match self.settings.own.header() {
            Some(own) => drop(headers.insert(TOKEN, own)),
            None if self.settings.tokens.is_some() => drop(headers.remove(TOKEN)),
            None => {}
        }
    }
}

// === impl Running ===

impl Running {
    fn begin(guard: &Arc<Guard>, ip: IpAddr) -> Result<Self, proxy_core::limits::TooMany> {
        guard.limits.lock().begin(ip)?;
        Ok(Self {
            guard: guard.clone(),
            ip,
            _in_flight: Counted::new(guard.metrics.in_flight(Side::Api)),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.guard.limits.lock().end(self.ip);
    }
}
