//! Limits of workflows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of workflows. A limit left out is no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// Workflows that run at once in a sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_workflow_invocations: Option<i32>,
    /// Activities that run at once in a sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_activity_invocations: Option<i32>,
    /// Workflows that run at once in all replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_max_concurrent_workflow_invocations: Option<i32>,
    /// Activities that run at once in all replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_max_concurrent_activity_invocations: Option<i32>,
    /// Limits over all replicas by name of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_concurrency_limits: Option<Vec<ConcurrencyLimit>>,
    /// Limits over all replicas by name of the activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_concurrency_limits: Option<Vec<ConcurrencyLimit>>,
    /// How long the state of ended workflows is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_retention_policy: Option<StateRetention>,
}

/// A limit for one name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConcurrencyLimit {
    /// Name of the workflow or the activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many may run at once in all replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<i32>,
}

/// How long the state of ended workflows is kept, as Go durations.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateRetention {
    /// However they ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_terminal: Option<String>,
    /// If they completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// If they failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// If they were terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated: Option<String>,
}
