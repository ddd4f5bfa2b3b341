//! What there is of an instance.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What there is of an instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedInstanceStatus {
    /// The generation that all of this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (apps can call daprd), `AppReady` (daprd can call the app) and `Conflict` (something
    /// stands in the way).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Option<Vec<Condition>>,
    /// The workloads whose pods use it, as `Kind/name`; the first hundred of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_workloads: Option<Vec<String>>,
    /// How many pods use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_pods: Option<i32>,
    /// How many instances are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_instances: Option<i32>,
    /// How many instances there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_instances: Option<i32>,
    /// Where apps reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urls: Option<Urls>,
    /// Since when nothing uses it; absent while something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub idle_since: Option<Time>,
}

/// Where apps reach an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Urls {
    /// daprd's HTTP API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// daprd's gRPC API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
}

fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string"},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"type": "string"},
                "message": {"type": "string"},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "observedGeneration": {"type": "integer", "format": "int64"},
            },
        },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
