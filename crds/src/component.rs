//! Component: a state store, a broker, a binding or another building block.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Auth, NameValuePair};
use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// A building block that sidecars load: a state store, a broker, a binding, and so on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// What the component is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<ComponentSpec>,
    /// How secret references are resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The app IDs that may load it; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(Component, "Component", "components", "v1alpha1");

/// What a component is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// Kind and implementation, such as `state.redis`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub type_: Option<String>,
    /// Version of the implementation, such as `v1`, which is also what none means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether a sidecar goes on if the component does not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_errors: Option<bool>,
    /// Settings of the implementation; some need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<NameValuePair>>,
    /// How long the start may take, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_timeout: Option<String>,
}
