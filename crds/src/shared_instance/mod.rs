//! `SharedInstance`: one daprd in pods of its own, shared by all pods of an app.

mod app;
mod definition;
mod pods;
mod status;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use app::{App, Autoscaling, Idle, Service, ServiceType, Tokens};
pub(crate) use definition::definition;
pub use status::{SharedInstanceStatus, Urls};

use crate::resource::resource;
use crate::schema;

/// API group of this project's own kinds.
pub const GROUP: &str = "trilby.dev";

/// One daprd in pods of its own, shared by all pods of an app.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.spec) && has(self.spec.appId)) || (self.metadata.name.size() <= 50 \
             && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))",
    "message": "without spec.appId the name is the app ID, which has at most 50 lower case letters, \
                digits and dashes: set spec.appId or choose another name",
}]))]
pub struct SharedInstance {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<SharedInstanceSpec>,
    /// What there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SharedInstanceStatus>,
}

resource!(
    SharedInstance,
    "SharedInstance",
    "sharedinstances",
    "v1alpha1",
    GROUP
);

/// What is wanted. What is left out follows from the bound workloads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.replicas) && has(self.autoscaling))",
        "message": "replicas and autoscaling exclude each other: remove one of them",
    },
    {
        "rule": "self.strategy != 'DaemonSet' || !(has(self.replicas) || has(self.autoscaling))",
        "message": "a DaemonSet has one instance on each node: remove replicas and autoscaling, \
                    or set strategy to Deployment",
    },
    {
        "rule": "has(self.appId) == has(oldSelf.appId) && (!has(self.appId) || self.appId == oldSelf.appId)",
        "message": "appId can't be changed: make a SharedInstance for the other app ID and delete this one",
    },
]))]
pub struct SharedInstanceSpec {
    /// App ID of daprd; the name of the object if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), extend("x-kubernetes-validations" = [{
        "rule": "self.size() <= 50 && self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "message": "an app ID with a shared instance has at most 50 lower case letters, digits and \
                    dashes, and begins and ends with a letter or digit: choose another",
    }]))]
    pub app_id: Option<String>,
    /// Replicas anywhere, or one on each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "Deployment"))]
    pub strategy: Option<Strategy>,
    /// The app that is called; the bound pods if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// How many instances; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "app::replicas")]
    pub replicas: Option<i32>,
    /// Bounds within which the number of instances follows the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Settings of daprd, by the annotations that sidecars have them from (`dapr.io/...`), and
    /// `trilby.dev/api-tls-secret`. They win over those of the bound workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "app::annotations")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Input bindings that give each instance its own copy of an event, by name; one of the instances
    /// then delivers it. Those of types that always do (`bindings.cron`, `bindings.kubernetes`,
    /// `bindings.rethinkdb.statechange`) need no word; queues and consumer groups don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "app::binding_names")]
    pub exclusive_bindings: Option<Vec<String>>,
    /// Resources of daprd; they win over those that annotations ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pods::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Resources of the proxy beside daprd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pods::resources")]
    pub proxy_resources: Option<ResourceRequirements>,
    /// Secrets that the images are pulled with; those of the bound workloads if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pods::references")]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// Priority class of the instances; that of the oldest bound workload if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Labels of the nodes that instances may run on; with one on each node those of the oldest
    /// bound workload if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints that instances bear; those that the oldest bound workload bears if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pods::tolerations")]
    pub tolerations: Option<Vec<Toleration>>,
    /// Which nodes instances prefer or need, as in pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub affinity: Option<Affinity>,
    /// How instances are spread, as in pods; evenly over nodes, where possible, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pods::spread")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// Service account of the instances; one of their own if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Further annotations of the instances' pods; settings of daprd go to `annotations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "app::pod_annotations")]
    pub pod_annotations: Option<BTreeMap<String, String>>,
    /// The Service by which apps reach the instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Tokens that apps show to daprd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// When an instance that was made for annotations is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
}

/// Replicas anywhere, or one on each node.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
pub enum Strategy {
    /// Replicas anywhere.
    #[default]
    Deployment,
    /// One on each node, for the app's pods there.
    DaemonSet,
}

// === impl SharedInstance ===

impl SharedInstance {
    /// The app ID: as it says, else its name.
    pub fn app_id(&self) -> &str {
        let said = self.spec.as_ref().and_then(|spec| spec.app_id.as_deref());
        said.or(self.metadata.name.as_deref()).unwrap_or_default()
    }
}
