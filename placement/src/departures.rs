//! Pods that are being deleted, so that their actors can leave before their sidecars do.
//!
//! Nothing that a sidecar says tells it: while it is told to end it goes on for as long as it may,
//! and then cuts off the calls that run. A host's name is an address, so addresses are what counts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    path::PathBuf,
    pin::pin,
    sync::Arc,
};

use futures::StreamExt as _;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::ListParams};
use process::kubernetes::{ClientError, Event, client, watch};
use serde::Deserialize;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use crate::{namespaces::Namespaces, options::Options, standing::Role};

/// The injector's label on pods that have a sidecar.
const HAS_SIDECAR: &str = "dapr.io/app-id";

/// Which pods are watched, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Departures {
    kubeconfig: Option<PathBuf>,
    /// The one namespace to watch; all if there is none.
    namespace: Option<String>,
}

/// What is read of a pod.
#[derive(Clone, Debug, Deserialize, kube::Resource)]
#[resource(inherit = Pod)]
struct PodAddress {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default, rename = "podIPs")]
    addresses: Option<Vec<Address>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Address {
    ip: String,
}

/// The addresses of pods that are being deleted, by namespace and name.
#[derive(Debug, Default)]
struct Leaving(BTreeMap<(String, String), BTreeSet<IpAddr>>);

// === impl Departures ===

impl Departures {
    /// None where pods are not followed.
    pub(crate) fn wanted(options: &Options) -> Option<Self> {
        let namespace = Some(options.watch_namespace.clone()).filter(|it| !it.is_empty());
        options.follow_pods.then(|| Self {
            kubeconfig: options.kubeconfig.clone(),
            namespace,
        })
    }

    /// Keeps the namespaces informed from the moment that this replica leads.
    ///
    /// # Errors
    /// If there is no way to the API server.
    pub(crate) async fn follow(
        self,
        mut role: Receiver<Role>,
        namespaces: Namespaces,
        stopping: CancellationToken,
    ) -> Result<(), ClientError> {
        let leads = role.wait_for(|role| *role == Role::Leader);
        if stopping
            .run_until_cancelled(leads)
            .await
            .is_some_and(|it| it.is_ok())
        {
            let client = client(self.kubeconfig.as_deref()).await?;
            let pods = match &self.namespace {
                Some(namespace) => Api::namespaced(client, namespace),
                None => Api::all(client),
            };
            stopping.run_until_cancelled(tell(pods, namespaces)).await;
        }
        stopping.cancelled().await;
        Ok(())
    }
}

async fn tell(pods: Api<PodAddress>, namespaces: Namespaces) {
    let mut events = pin!(watch(pods, ListParams::default().labels(HAS_SIDECAR)));
    let mut leaving = Leaving::default();
    while let Some(event) = events.next().await {
        if leaving.take_in(event) {
            namespaces.leaving(leaving.by_namespace());
        }
    }
}

// === impl Leaving ===

impl Leaving {
    /// Says whether anything changed.
    fn take_in(&mut self, event: Event<PodAddress>) -> bool {
        match event {
            Event::Reset(pods) => {
                let all = pods.into_iter().filter_map(PodAddress::departure).collect();
                std::mem::replace(&mut self.0, all) != self.0
            }
            Event::Apply(pod) if pod.is_leaving() => pod.departure().is_some_and(|(key, ips)| {
                let before = self.0.insert(key, ips.clone());
                before.is_none_or(|before| before != ips)
            }),
            Event::Apply(pod) | Event::Delete(pod) => self.0.remove(&pod.key()).is_some(),
        }
    }

    fn by_namespace(&self) -> HashMap<String, Arc<BTreeSet<IpAddr>>> {
        let mut namespaces: HashMap<String, BTreeSet<IpAddr>> = HashMap::new();
        for ((namespace, _), addresses) in &self.0 {
            let all = namespaces.entry(namespace.clone()).or_default();
            all.extend(addresses);
        }
        let shared = |(namespace, addresses)| (namespace, Arc::new(addresses));
        namespaces.into_iter().map(shared).collect()
    }
}

// === impl PodAddress ===

impl PodAddress {
    fn is_leaving(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    fn key(&self) -> (String, String) {
        let metadata = &self.metadata;
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        (text(&metadata.namespace), text(&metadata.name))
    }

    /// The pod and its addresses, if it is being deleted.
    fn departure(self) -> Option<((String, String), BTreeSet<IpAddr>)> {
        let addresses = self.status.addresses.iter().flatten();
        let parsed = addresses.filter_map(|address| address.ip.parse().ok());
        self.is_leaving().then(|| (self.key(), parsed.collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, ip: &str, leaving: bool) -> PodAddress {
        let deleted = leaving.then_some("2026-01-01T00:00:00Z");
        let metadata = json!({"namespace": "shop", "name": name, "deletionTimestamp": deleted});
        let pod = json!({"metadata": metadata, "status": {"podIPs": [{"ip": ip}]}});
        serde_json::from_value(pod).unwrap()
    }

    fn addresses(leaving: &Leaving) -> Vec<String> {
        let all = leaving.by_namespace();
        let shop = all.get("shop").into_iter().flat_map(|all| all.iter());
        shop.map(ToString::to_string).collect()
    }

    #[test]
    fn knows_who_is_being_deleted() {
        let mut leaving = Leaving::default();
        let all = vec![pod("a", "10.0.0.1", false), pod("b", "10.0.0.2", true)];
        assert!(leaving.take_in(Event::Reset(all)));
        assert_eq!(addresses(&leaving), ["10.0.0.2"]);
        assert!(leaving.take_in(Event::Apply(pod("a", "10.0.0.1", true))));
        assert!(!leaving.take_in(Event::Apply(pod("a", "10.0.0.1", true))));
        assert_eq!(addresses(&leaving), ["10.0.0.1", "10.0.0.2"]);
        assert!(leaving.take_in(Event::Delete(pod("b", "10.0.0.2", true))));
        assert!(!leaving.take_in(Event::Delete(pod("c", "10.0.0.3", false))));
        assert_eq!(addresses(&leaving), ["10.0.0.1"]);
        assert!(
            leaving.take_in(Event::Apply(pod("a", "10.0.0.1", false))),
            "another pod of that name"
        );
        assert!(leaving.by_namespace().is_empty());
    }

    #[test]
    fn takes_pods_without_an_address() {
        let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        let pod = serde_json::from_value(pod).unwrap();
        let mut leaving = Leaving::default();
        assert!(leaving.take_in(Event::Apply(pod)));
        assert_eq!(addresses(&leaving), Vec::<String>::new());
    }
}
