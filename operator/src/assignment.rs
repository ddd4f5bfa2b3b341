//! Reads which Configurations the pods of a namespace name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client};
use operator_core::assignment::{self, Assigned};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// The streams that a change is for share one list. A pod is there for longer than this before its
/// sidecar has read a Configuration, so none that could miss the change is overlooked.
const FRESH: Duration = Duration::from_secs(1);

/// A list in pages keeps the peak of memory low.
const PAGE: u32 = 500;

/// Reads which Configurations the pods of a namespace name: metadata only, and only when one of
/// them changes. So it is what the pods name then, and not what they named when a stream began.
#[derive(Clone)]
pub struct Assignments {
    client: Client,
    namespace: Option<String>,
    recent: Arc<Mutex<HashMap<Box<str>, Recent>>>,
}

#[derive(Clone)]
struct Recent {
    since: Instant,
    assigned: Arc<OnceCell<Arc<Assigned>>>,
}

// === impl Assignments ===

impl Assignments {
    /// Reads through a client, in one namespace if it is given.
    pub fn new(client: Client, namespace: Option<String>) -> Self {
        Self {
            client,
            namespace,
            recent: Arc::default(),
        }
    }

    /// What the pods of a namespace name.
    ///
    /// # Errors
    ///
    /// If the pods cannot be listed.
    pub async fn of(&self, namespace: &str) -> Result<Arc<Assigned>, kube::Error> {
        let recent = self.recent(namespace);
        let read = recent.get_or_try_init(|| self.read(namespace)).await;
        read.cloned()
    }

    fn recent(&self, namespace: &str) -> Arc<OnceCell<Arc<Assigned>>> {
        let (mut recent, now) = (self.recent.lock(), Instant::now());
        recent.retain(|_, entry| now.duration_since(entry.since) < FRESH);
        let new = || Recent {
            since: now,
            assigned: Arc::default(),
        };
        let entry = recent.entry(namespace.into()).or_insert_with(new);
        Arc::clone(&entry.assigned)
    }

    async fn read(&self, namespace: &str) -> Result<Arc<Assigned>, kube::Error> {
        let api: Api<Pod> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut assigned = Assigned::default();
        let selector = format!("metadata.namespace={namespace}");
        let mut params = ListParams::default().fields(&selector).limit(PAGE);
        loop {
            let page = api.list_metadata(&params).await?;
            for pod in &page.items {
                add(&mut assigned, pod, namespace);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(Arc::new(assigned)),
            }
        }
    }
}

/// Servers may pass over selections, so the namespace is looked at again.
fn add(assigned: &mut Assigned, pod: &PartialObjectMeta<Pod>, namespace: &str) {
    let (metadata, none) = (&pod.metadata, BTreeMap::new());
    let annotations = metadata.annotations.as_ref().unwrap_or(&none);
    if let Some(name) = metadata.name.as_deref()
        && metadata.namespace.as_deref() == Some(namespace)
    {
        assigned.add(assignment::Pod { name, annotations });
    }
}
