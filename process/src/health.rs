//! Readiness as a set of named conditions, served on `/healthz`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::any};
use parking_lot::RwLock;

/// The named conditions of a process; healthy when there is one at least and all are met.
#[derive(Clone, Debug, Default)]
pub struct Health {
    targets: Arc<RwLock<BTreeMap<&'static str, bool>>>,
}

/// One condition, not met at first.
#[derive(Clone, Debug)]
pub struct Target {
    name: &'static str,
    health: Health,
}

// === impl Health ===

impl Health {
    /// Adds a condition that is not met yet; the same name gives the same condition.
    pub fn target(&self, name: &'static str) -> Target {
        self.targets.write().entry(name).or_insert(false);
        Target {
            name,
            health: self.clone(),
        }
    }

    /// Whether there is a condition and all are met.
    pub fn is_healthy(&self) -> bool {
        let targets = self.targets.read();
        !targets.is_empty() && targets.values().all(|ready| *ready)
    }

    /// The names of the conditions that are not met.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        let targets = self.targets.read();
        targets
            .iter()
            .filter(|(_, ready)| !**ready)
            .map(|(name, _)| *name)
            .collect()
    }

    /// `/healthz`: 200 or 503 with an empty body for any method, as Dapr's services answer.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", any(healthz))
            .with_state(self)
    }
}

async fn healthz(State(health): State<Health>) -> StatusCode {
    if health.is_healthy() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

// === impl Target ===

impl Target {
    /// The condition is met.
    pub fn ready(&self) {
        self.set(true);
    }

    /// The condition is not met, or no longer.
    pub fn unready(&self) {
        self.set(false);
    }

    fn set(&self, ready: bool) {
        let before = self.health.targets.write().insert(self.name, ready);
        if before != Some(ready) {
            tracing::debug!(target_name = self.name, ready, "health condition changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn needs_one_condition_and_all_met() {
        let health = Health::default();
        assert!(!health.is_healthy());
        let (first, second) = (health.target("first"), health.target("second"));
        first.ready();
        assert_eq!(health.waiting_for(), ["second"]);
        second.ready();
        assert!(health.is_healthy());
        first.unready();
        assert!(!health.is_healthy());
    }

    #[test]
    fn asking_again_for_a_condition_keeps_its_state() {
        let health = Health::default();
        health.target("one").ready();
        health.target("one");
        assert!(health.is_healthy());
    }

    #[tokio::test]
    async fn answers_any_method_on_its_path_alone() {
        let health = Health::default();
        let status = async |method: &str, path: &str| {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty());
            let response = health.clone().router().oneshot(request.unwrap()).await;
            response.unwrap().status()
        };
        assert_eq!(
            status("GET", "/healthz").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        health.target("one").ready();
        assert_eq!(status("GET", "/healthz").await, StatusCode::OK);
        assert_eq!(status("POST", "/healthz").await, StatusCode::OK);
        assert_eq!(status("GET", "/").await, StatusCode::NOT_FOUND);
    }
}
