//! A pod as the API server tells it.

use std::{borrow::Cow, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, core::NamespaceResourceScope};
use sentry_core::{images::Image, rotation::KnownRoots, validator::kubernetes::Pod};
use serde::Deserialize;

use super::sidecar::{CONDITION, Sidecar};

/// A container that keeps running beside the others, though it is listed among the first.
const ALWAYS: &str = "Always";

/// Phases in which no container runs any longer.
const OVER: [&str; 2] = ["Succeeded", "Failed"];

/// The container that the injector adds, and the variables in which it finds its roots and the
/// namespace of its control plane.
const SIDECAR: &str = "daprd";
const ROOTS: &str = "DAPR_TRUST_ANCHORS";
const CONTROL_PLANE: &str = "DAPR_CONTROLPLANE_NAMESPACE";

/// A pod as the API server tells it, without all that does not matter here: of a big cluster
/// only these few fields are ever in memory.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct PodObject {
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
    env: Option<Vec<Variable>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Variable {
    #[serde(default)]
    name: String,
    value: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    conditions: Option<Vec<Condition>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Condition {
    #[serde(default, rename = "type")]
    kind: String,
    reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ContainerStatus {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "imageID")]
    image_id: String,
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

impl PodObject {
    /// The roots that its sidecar was given, as long as it runs, by the control plane of this
    /// namespace: others have roots of their own.
    pub(super) fn roots(&self, own: &str) -> Option<&str> {
        let phase = self
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if phase.is_some_and(|phase| OVER.contains(&phase)) {
            return None;
        }
        let spec = self.spec.as_ref()?;
        let mut containers = [&spec.containers, &spec.init_containers]
            .into_iter()
            .flatten()
            .flatten();
        let sidecar = containers.find(|container| container.name == SIDECAR)?;
        let variable = |name| {
            let mut variables = sidecar.env.iter().flatten();
            let found = variables.find(|variable| variable.name == name)?;
            found.value.as_deref()
        };
        let is_own = variable(CONTROL_PLANE).is_none_or(|namespace| namespace == own);
        variable(ROOTS).filter(|_| is_own)
    }

    /// Namespace and name.
    pub(super) fn name(&self) -> String {
        let [namespace, name] = [&self.metadata.namespace, &self.metadata.name]
            .map(|part| part.as_deref().unwrap_or_default());
        format!("{namespace}/{name}")
    }

    pub(super) fn sidecar(&self, roots: Arc<KnownRoots>) -> Sidecar {
        let conditions = self
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        let told = conditions.find(|condition| condition.kind == CONDITION);
        let owners = self.metadata.owner_references.iter().flatten();
        let mut owners = owners.filter(|owner| owner.controller.unwrap_or_default());
        Sidecar {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            pod: self.metadata.name.clone().unwrap_or_default(),
            uid: self.metadata.uid.clone(),
            version: self.metadata.resource_version.clone(),
            owner: owners
                .next()
                .map(|owner| (owner.kind.clone(), owner.name.clone())),
            told: told.and_then(|told| told.reason.clone()),
            roots,
        }
    }
}

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
