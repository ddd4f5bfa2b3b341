//! The pods of the cluster, as far as they matter for identities.

use std::{borrow::Cow, collections::HashMap, pin::pin};

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client, Resource, api::ListParams, core::NamespaceResourceScope};
use parking_lot::RwLock;
use process::kubernetes::Event;
use sentry_core::{
    images::Image,
    validator::kubernetes::{Pod, ServiceAccount},
};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A container that keeps running beside the others, though it is listed among the first.
const ALWAYS: &str = "Always";

/// The pods of the cluster, kept by a watch. A pod that the watch has not brought yet is read
/// directly, so that a sidecar which starts at once is not refused.
pub struct Pods {
    client: Client,
    known: RwLock<HashMap<(String, String), Pod>>,
    synced: watch::Sender<bool>,
}

/// A pod as the API server tells it, without all that does not matter here: of a big cluster
/// only these few fields are ever in memory.
#[derive(Clone, Debug, Default, Deserialize)]
struct PodObject {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<Spec>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    service_account_name: Option<String>,
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    name: String,
    image: Option<String>,
    restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ContainerStatus {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "imageID")]
    image_id: String,
}

// === impl Pods ===

impl Pods {
    /// No pods yet; [`Pods::run`] brings them.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: RwLock::default(),
            synced: watch::Sender::new(false),
        }
    }

    /// Follows the pods of all namespaces until the process stops.
    ///
    /// # Errors
    /// None; a task must have an error type.
    pub async fn run(&self, stopping: CancellationToken) -> Result<(), std::convert::Infallible> {
        let pods = Api::<PodObject>::all(self.client.clone());
        let mut events = pin!(process::kubernetes::watch(pods, ListParams::default()));
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
            .filter(|pod| pod.is_of(account))
            .cloned();
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

    fn note(&self, event: Event<PodObject>) {
        match event {
            Event::Reset(pods) => {
                *self.known.write() = pods.into_iter().map(Pod::from).map(keyed).collect();
                self.synced.send_replace(true);
            }
            Event::Apply(pod) => {
                let (key, pod) = keyed(pod.into());
                self.known.write().insert(key, pod);
            }
            Event::Delete(pod) => {
                let (key, _) = keyed(pod.into());
                self.known.write().remove(&key);
            }
        }
    }
}

fn keyed(pod: Pod) -> ((String, String), Pod) {
    ((pod.namespace.clone(), pod.name.clone()), pod)
}

// === impl Pod ===

impl From<PodObject> for Pod {
    fn from(object: PodObject) -> Self {
        let images = images(&object);
        let metadata = object.metadata;
        let mut pod = Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid,
            service_account: object
                .spec
                .and_then(|spec| spec.service_account_name)
                .unwrap_or_default(),
            images,
            ..Self::default()
        };
        pod.annotate(&metadata.annotations.unwrap_or_default());
        pod
    }
}

/// Native sidecars first, then the ordinary containers, each in the order of the spec.
fn images(pod: &PodObject) -> Vec<Image> {
    let (Some(spec), status) = (&pod.spec, pod.status.clone().unwrap_or_default()) else {
        return Vec::new();
    };
    let first = spec.init_containers.iter().flatten();
    let first = first.filter(|container| container.restart_policy.as_deref() == Some(ALWAYS));
    let first = first.map(|container| container.image(status.init_container_statuses.as_deref()));
    let others = spec.containers.iter().flatten();
    let others = others.map(|container| container.image(status.container_statuses.as_deref()));
    first.chain(others).collect()
}

// === impl Container ===

impl Container {
    fn image(&self, statuses: Option<&[ContainerStatus]>) -> Image {
        let mut statuses = statuses.unwrap_or_default().iter();
        let status = statuses.find(|status| status.name == self.name);
        let image_id = status.map_or("", |status| &status.image_id);
        Image::new(
            &self.name,
            self.image.as_deref().unwrap_or_default(),
            image_id,
        )
    }
}

// === impl PodObject ===

impl Resource for PodObject {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
