use crate::flags::Flags;
use crate::sidecar::Sidecar;
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the application knows, whichever way it is called.
pub(crate) struct App {
    pub(crate) sidecar: Sidecar,
    pub(crate) name: String,
    pub(crate) state_store: String,
    pub(crate) pubsub: String,
    pub(crate) topics: Vec<String>,
    ledger: Option<String>,
    host_actors: bool,
    pub(crate) actor_type: String,
    events: Mutex<Vec<Value>>,
    counters: Mutex<HashMap<String, u64>>,
}

impl App {
    pub(crate) fn new(flags: &Flags) -> Self {
        Self {
            sidecar: Sidecar::new(flags),
            name: flags.hostname.clone(),
            state_store: flags.state_store.clone(),
            pubsub: flags.pubsub.clone(),
            topics: flags.topics.clone(),
            ledger: flags.ledger.clone(),
            host_actors: flags.host_actors,
            actor_type: flags.actor_type.clone(),
            events: Mutex::default(),
            counters: Mutex::default(),
        }
    }

    /// What the sidecar asks about actors.
    pub(crate) fn actor_config(&self) -> Value {
        let types = [self.actor_type.as_str()];
        let entities: &[&str] = if self.host_actors { &types } else { &[] };
        json!({"entities": entities})
    }

    /// Keeps an event, here and in the ledger if there is one.
    pub(crate) async fn record(&self, event: Value) -> Result<(), String> {
        if let Some(ledger) = &self.ledger {
            let url = format!("{ledger}/events");
            let told = self
                .sidecar
                .answer(Method::POST, &url, event.to_string().into());
            let (status, _) = told.await?;
            if !status.is_success() {
                return Err(format!("the ledger answered {status}"));
            }
        }
        lock(&self.events).push(event);
        Ok(())
    }

    pub(crate) fn received(&self) -> Vec<Value> {
        lock(&self.events).clone()
    }

    /// Adds one to an actor's counter and returns it.
    pub(crate) fn increment(&self, id: &str) -> u64 {
        let mut counters = lock(&self.counters);
        let counter = counters.entry(id.to_owned()).or_default();
        *counter += 1;
        *counter
    }

    pub(crate) fn count(&self, id: &str) -> u64 {
        lock(&self.counters).get(id).copied().unwrap_or_default()
    }

    /// Forgets an actor, as the sidecar asks when it is idle or moves.
    pub(crate) fn deactivate(&self, id: &str) {
        lock(&self.counters).remove(id);
    }
}

/// A panic in another request can't leave these maps half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
