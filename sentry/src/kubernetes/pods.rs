//! The pods of the cluster that have a sidecar, as far as they matter for identities and for the
//! life of roots.

use std::{collections::HashMap, pin::pin, sync::Arc};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};
use parking_lot::RwLock;
use process::kubernetes::Event;
use sentry_core::{
    rotation::KnownRoots,
    validator::kubernetes::{Pod, ServiceAccount},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{object::PodObject, sidecar::Sidecar};

/// What the injector labels the pods with that it gave a sidecar. Others that ask for an identity
/// are few, and read one by one: so a watch needs not bring every pod of the cluster.
const INJECTED: &str = "dapr.io/sidecar-injected=true";

/// As many pods at once as a list brings.
const PAGE: u32 = 500;

/// Which pods a sentry looks at.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Its own namespace, which the sidecars of its control plane know.
    pub own: String,
    /// The one namespace whose pods it may see, if it is not all.
    pub served: Option<String>,
}

// === impl Reach ===

impl Reach {
    fn pods(&self, client: Client) -> Api<PodObject> {
        match &self.served {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }
}

/// A pod whose sidecar trusts a root that has not ended, if there is one.
pub(crate) async fn trusting(
    client: Client,
    reach: &Reach,
    now: Timestamp,
) -> Result<Option<String>, kube::Error> {
    let trusts = |pod: &&PodObject| {
        let end = pod
            .roots(&reach.own)
            .and_then(|text| KnownRoots::from_pem(text).end());
        end.is_some_and(|end| end > now)
    };
    let pods = reach.pods(client);
    let mut page = ListParams::default().labels(INJECTED).limit(PAGE);
    loop {
        let list = pods.list(&page).await?;
        if let Some(found) = list.items.iter().find(trusts) {
            return Ok(Some(found.name()));
        }
        let Some(next) = list.metadata.continue_.filter(|next| !next.is_empty()) else {
            return Ok(None);
        };
        page = page.continue_token(&next);
    }
}

/// The pods of the cluster that have a sidecar, kept by a watch. A pod that the watch has not
/// brought yet is read directly, so that a sidecar which starts at once is not refused.
pub struct Pods {
    client: Client,
    reach: Reach,
    known: RwLock<HashMap<(String, String), Known>>,
    /// Pods share the few texts there are.
    roots: RwLock<HashMap<String, Arc<KnownRoots>>>,
    synced: watch::Sender<bool>,
}

struct Known {
    pod: Pod,
    sidecar: Option<Sidecar>,
}

// === impl Pods ===

impl Pods {
    /// No pods yet; [`Pods::run`] brings them.
    pub fn new(client: Client, reach: Reach) -> Self {
        Self {
            client,
            reach,
            known: RwLock::default(),
            roots: RwLock::default(),
            synced: watch::Sender::new(false),
        }
    }

    /// Follows the pods until the process stops.
    ///
    /// # Errors
    /// None; a task must have an error type.
    pub async fn run(&self, stopping: CancellationToken) -> Result<(), std::convert::Infallible> {
        let pods = self.reach.pods(self.client.clone());
        let mut events = pin!(process::kubernetes::watch(
            pods,
            ListParams::default().labels(INJECTED)
        ));
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                event = events.next() => match event {
                    Some(event) => self.note(event),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Ends when the first list of pods is in.
    pub async fn synced(&self) {
        // The sender lives in self, so waiting can't fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// The pod of this name that the token was made for. Waits for the first list of pods.
    pub async fn find(&self, account: &ServiceAccount, name: &str) -> Option<Pod> {
        self.synced().await;
        let key = (account.namespace.clone(), name.to_owned());
        let known = self
            .known
            .read()
            .get(&key)
            .filter(|known| known.pod.is_of(account))
            .map(|known| known.pod.clone());
        match known {
            Some(pod) => Some(pod),
            None => self.read(&account.namespace, name).await,
        }
    }

    async fn read(&self, namespace: &str, name: &str) -> Option<Pod> {
        match Api::<PodObject>::namespaced(self.client.clone(), namespace)
            .get(name)
            .await
        {
            Ok(pod) => Some(pod.into()),
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(
                    error,
                    namespace,
                    name,
                    "the pod of a caller could not be read"
                );
                None
            }
        }
    }

    /// The different sets of roots that running sidecars know, once all are known.
    pub fn roots(&self) -> Option<Vec<KnownRoots>> {
        if !*self.synced.borrow() {
            return None;
        }
        let mut roots = self.roots.write();
        roots.retain(|_, roots| Arc::strong_count(roots) > 1);
        Some(roots.values().map(|roots| (**roots).clone()).collect())
    }

    /// The running sidecars for which this holds.
    pub fn sidecars(&self, holds: impl Fn(&Sidecar) -> bool) -> Vec<Sidecar> {
        let known = self.known.read();
        let sidecars = known.values().filter_map(|known| known.sidecar.as_ref());
        sidecars.filter(|sidecar| holds(sidecar)).cloned().collect()
    }

    fn note(&self, event: Event<PodObject>) {
        match event {
            Event::Reset(pods) => {
                let pods = pods.into_iter().map(|pod| self.keyed(pod)).collect();
                *self.known.write() = pods;
                self.synced.send_replace(true);
            }
            Event::Apply(pod) => {
                let (key, known) = self.keyed(pod);
                self.known.write().insert(key, known);
            }
            Event::Delete(pod) => {
                let (key, _) = self.keyed(pod);
                self.known.write().remove(&key);
            }
        }
    }

    fn keyed(&self, object: PodObject) -> ((String, String), Known) {
        let sidecar = object.roots(&self.reach.own).map(|text| self.intern(text));
        let sidecar = sidecar.map(|roots| object.sidecar(roots));
        let pod = Pod::from(object);
        let key = (pod.namespace.clone(), pod.name.clone());
        (key, Known { pod, sidecar })
    }

    fn intern(&self, text: &str) -> Arc<KnownRoots> {
        let mut roots = self.roots.write();
        if let Some(known) = roots.get(text) {
            return Arc::clone(known);
        }
        let known = Arc::new(KnownRoots::from_pem(text));
        roots.insert(text.to_owned(), Arc::clone(&known));
        known
    }
}
