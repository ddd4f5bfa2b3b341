//! `/placement/state`: what the leader holds, for people and tests.

use std::{net::SocketAddr, path::PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use placement_core::StateTables;
use tokio::sync::watch;

use crate::{namespaces::Namespaces, standing::Role};

#[derive(Clone)]
struct Source {
    role: watch::Receiver<Role>,
    namespaces: Namespaces,
    token: Option<PathBuf>,
}

/// The endpoint, for the health port. What shows more than one tenant is for callers on this
/// machine, and for those that have the token in the file `token`.
pub fn routes(
    role: watch::Receiver<Role>,
    namespaces: Namespaces,
    token: Option<PathBuf>,
) -> Router {
    Router::new()
        .route("/placement/state", any(state))
        .with_state(Source {
            role,
            namespaces,
            token,
        })
}

/// A replica that does not lead holds nothing, and answers `null` as Dapr's does.
async fn state(State(source): State<Source>, request: Request) -> Response {
    if !source.leads() {
        return Json(None::<StateTables>).into_response();
    }
    let (caller, _) = request.into_parts();
    let state = source.namespaces.state().await;
    if state.tables.len() < 2 || is_local(&caller) || source.has_token(&caller).await {
        return Json(state).into_response();
    }
    let why = "the state of several namespaces is shown to callers on this machine, or by the \
               bearer token in --metadata-token-file\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

/// Who asks from this machine (or pod, as `kubectl port-forward` does) may look at the process
/// anyway.
fn is_local(caller: &Parts) -> bool {
    let peer = caller.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback())
}

// === impl Source ===

impl Source {
    fn leads(&self) -> bool {
        *self.role.borrow() == Role::Leader && self.namespaces.config().mandate.holds()
    }

    /// The file is read each time, so that the token can be changed.
    async fn has_token(&self, caller: &Parts) -> bool {
        let given = caller.headers.get(AUTHORIZATION);
        let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let (Some(given), Some(file)) = (given, &self.token) else {
            return false;
        };
        let token = tokio::fs::read(file).await.unwrap_or_default();
        let token = token.trim_ascii();
        !token.is_empty() && verify_slices_are_equal(given, token).is_ok()
    }
}
