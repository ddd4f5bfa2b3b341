//! `/placement/state`: what the leader holds, for people and tests.

use axum::{Json, Router, extract::State, routing::any};
use placement_core::StateTables;
use tokio::sync::watch;

use crate::{leadership::Role, namespaces::Namespaces};

#[derive(Clone)]
struct Source {
    role: watch::Receiver<Role>,
    namespaces: Namespaces,
}

/// The endpoint, for the health port.
pub fn routes(role: watch::Receiver<Role>, namespaces: Namespaces) -> Router {
    Router::new()
        .route("/placement/state", any(state))
        .with_state(Source { role, namespaces })
}

/// A replica that does not lead holds nothing, and answers `null` as Dapr's does.
async fn state(State(source): State<Source>) -> Json<Option<StateTables>> {
    let leads = *source.role.borrow() == Role::Leader && source.namespaces.config().mandate.holds();
    Json(if leads {
        Some(source.namespaces.state().await)
    } else {
        None
    })
}
