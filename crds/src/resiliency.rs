//! Resiliency: timeouts, retries and circuit breakers, and what they apply to.

use std::collections::BTreeMap;

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// Timeouts, retries and circuit breakers, and what they apply to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resiliency {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// The policies and their targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<ResiliencySpec>,
    /// The app IDs that it holds for; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(Resiliency, "Resiliency", "resiliencies", "v1alpha1");

/// The policies and their targets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResiliencySpec {
    /// Policies by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub policies: Option<Policies>,
    /// What refers to the policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub targets: Option<Targets>,
}

/// Policies by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// Longest duration of a call, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<BTreeMap<String, String>>,
    /// How calls are repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<BTreeMap<String, Retry>>,
    /// When calls are refused for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breakers: Option<BTreeMap<String, CircuitBreaker>>,
}

/// How calls are repeated.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// `constant` or `exponential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Wait between attempts, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Longest wait of an exponential policy, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<String>,
    /// Most repetitions; -1 means no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// Which answers are repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching: Option<RetryMatching>,
}

/// Which answers are repeated: lists and ranges of codes, such as `429,500-599`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryMatching {
    /// HTTP status codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status_codes: Option<String>,
    /// gRPC status codes.
    #[serde(rename = "gRPCStatusCodes", skip_serializing_if = "Option::is_none")]
    pub grpc_status_codes: Option<String>,
}

/// When calls are refused for a while.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Calls let through while half open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<i64>,
    /// How often counts are cleared while closed, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// How long it stays open, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// CEL expression over the counts that opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trip: Option<String>,
}

/// What refers to the policies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// Invoked apps by app ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps: Option<BTreeMap<String, AppTarget>>,
    /// Actors by type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actors: Option<BTreeMap<String, ActorTarget>>,
    /// Components by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<BTreeMap<String, ComponentTarget>>,
}

/// Policies for calls to an app.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppTarget {
    /// Name of a timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<String>,
    /// How many breakers are kept, one for each host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_cache_size: Option<i64>,
}

/// Policies for calls to actors of a type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActorTarget {
    /// Name of a timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<String>,
    /// Whether a breaker is kept by `id`, by `type`, or `both`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_scope: Option<String>,
    /// How many breakers are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_cache_size: Option<i64>,
}

/// Policies for calls to and from a component.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentTarget {
    /// Calls from the component to the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<PolicyNames>,
    /// Calls from the sidecar to the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<PolicyNames>,
}

/// One policy of each sort, by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyNames {
    /// Name of a timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Name of a retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Name of a circuit breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<String>,
}
