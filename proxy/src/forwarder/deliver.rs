//! From a call to an endpoint's answer.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, Request, Response, header::CONTENT_TYPE, request::Parts};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use proxy_core::{
    actors::Admission,
    patience::{GivenUp, Reason},
    route::{ActorCall, AppCall, TOKEN},
};
use tokio::time::timeout;

use super::{
    Forwarder,
    lease::{Held, Lease, Moving},
};
use crate::{
    answer::Refusal,
    body::{Body, Lent},
};

/// An endpoint may take so long to deactivate an actor that moves.
const DEACTIVATION: Duration = Duration::from_secs(5);

/// Why daprd gets no answer of the app.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nothing was sent.
    #[error(transparent)]
    GivenUp(#[from] GivenUp),
    /// Something was sent, so nobody knows what came of it.
    #[error("the app's endpoint broke off")]
    Broken(#[source] legacy::Error),
}

/// What can be done for a call now.
enum Step {
    Send(Lease),
    Move { from: SocketAddr, to: SocketAddr },
}

// === impl Failure ===

impl Failure {
    /// The reason as metrics name it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::GivenUp(GivenUp::Full) => "hold_full",
            Self::GivenUp(GivenUp::NoEndpoint) => "no_endpoint",
            Self::GivenUp(GivenUp::Refused) => "unreachable",
            Self::GivenUp(GivenUp::ActorBusy) => "actor_busy",
            Self::Broken(_) => "broken",
        }
    }

    pub(super) fn answer(&self, grpc: bool) -> Response<Body> {
        let refusal = match self {
            Self::GivenUp(_) => Refusal::Unavailable,
            Self::Broken(error) => {
                let error: &dyn std::error::Error = error;
                tracing::debug!(error, "an endpoint broke off");
                Refusal::Broken
            }
        };
        refusal.answer(grpc, &self.to_string())
    }
}

// === impl Forwarder ===

impl Forwarder {
    /// Sends the call, again if nothing of it was sent, and waits in between as long as it may.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        parts: &Parts,
        body: &Lent,
        call: &AppCall<'_>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let mut held: Option<Held> = None;
        loop {
            match (self.next(call), &mut held) {
                (Ok(Step::Send(lease)), _) => {
                    match self.upstream.send(lease.address, parts, body.clone()).await {
                        Ok(response) => return Ok((response, lease)),
                        Err(error) if error.is_connect() => self.refused(lease.address),
                        Err(error) => return Err(Failure::Broken(error)),
                    }
                }
                (Ok(Step::Move { from, to }), _) => self.hand_over(parts, call, from, to).await,
                (Err(reason), Some(held)) => held.wait(reason).await?,
                // It is held first and asked again, so that no change in between is missed.
                (Err(_), None) => held = Some(Held::new(self, *call == AppCall::Once)?),
            }
        }
    }

    fn next(self: &Arc<Self>, call: &AppCall<'_>) -> Result<Step, Reason> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let AppCall::Actor(call) = call else {
            let address = state.pool.choose(now).map_err(Reason::Unavailable)?;
            return Ok(Step::Send(Lease::new(self, address, None)));
        };
        let owner = state
            .pool
            .owner(call.actor, now)
            .map_err(Reason::Unavailable)?;
        match state.actors.admit(call.actor, owner, call.turn) {
            Admission::Go(address) => {
                if let Err(unavailable) = state.pool.is_open(address, now) {
                    state.actors.done(call.actor, call.turn);
                    return Err(Reason::Unavailable(unavailable));
                }
                state.pool.begin(address);
                let actor = Some((call.actor, call.turn));
                Ok(Step::Send(Lease::new(self, address, actor)))
            }
            Admission::Move { from } => Ok(Step::Move { from, to: owner }),
            Admission::Wait => Err(Reason::Turn),
        }
    }

    /// Has the endpoint that holds the actor give it up. If that fails, its process is gone or
    /// about to be: the actor moves all the same.
    async fn hand_over(
        self: &Arc<Self>,
        parts: &Parts,
        call: &AppCall<'_>,
        from: SocketAddr,
        to: SocketAddr,
    ) {
        let AppCall::Actor(call) = call else {
            return;
        };
        let mut moving = Moving {
            forwarder: self.clone(),
            actor: call.actor,
            to: None,
        };
        let request = deactivation(parts, call);
        let told = timeout(
            DEACTIVATION,
            self.upstream.send(from, &request, Lent::empty()),
        )
        .await;
        if !told.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status().is_success())) {
            tracing::debug!(%from, "the former endpoint of an actor did not deactivate it");
        }
        self.metrics.actor_moves.inc();
        moving.to = Some(to);
    }
}

/// What daprd would send, with the token it shows the app.
fn deactivation(parts: &Parts, call: &ActorCall<'_>) -> Parts {
    let (mut request, ()) = Request::new(()).into_parts();
    request.method = Method::DELETE;
    request.version = parts.version;
    // It is part of a path that was parsed before.
    request.uri = call.deactivation().parse().unwrap_or_default();
    for name in [TOKEN, CONTENT_TYPE.as_str()] {
        if let (Some(value), Ok(name)) = (parts.headers.get(name), name.parse::<http::HeaderName>())
        {
            request.headers.insert(name, value.clone());
        }
    }
    request
}
