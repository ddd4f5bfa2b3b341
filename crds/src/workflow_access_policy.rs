//! `WorkflowAccessPolicy`: which apps may act on the workflows and activities of others.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// Which apps may act on the workflows and activities of the apps in scope.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowAccessPolicy {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// What is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<WorkflowAccessPolicySpec>,
    /// The app IDs that are protected; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(
    WorkflowAccessPolicy,
    "WorkflowAccessPolicy",
    "workflowaccesspolicies",
    "v1alpha1"
);

/// What is allowed. What no rule allows is denied.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowAccessPolicySpec {
    /// The rules; one that fits is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub rules: Option<Vec<AccessRule>>,
}

/// What some callers may do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.workflows) && self.workflows.size() > 0) || (has(self.activities) && self.activities.size() > 0)",
    "message": "a rule needs at least one entry in workflows or activities",
}]))]
pub struct AccessRule {
    /// Who the rule is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 100))]
    pub callers: Option<Vec<Caller>>,
    /// Workflows they may act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub workflows: Option<Vec<WorkflowRule>>,
    /// Activities they may schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub activities: Option<Vec<ActivityRule>>,
}

/// An app that calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// Its app ID.
    #[serde(rename = "appID", skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 256))]
    pub app_id: Option<String>,
}

/// Operations on workflows of a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.requires) || self.requires.size() == 0 || (self.operations.size() == 1 && self.operations[0] == 'schedule')",
    "message": "requires goes only with the single operation schedule",
}]))]
pub struct WorkflowRule {
    /// Name of the workflow, or a glob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 256))]
    pub name: Option<String>,
    /// What may be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub operations: Option<Vec<Operation>>,
    /// What must have happened before, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub requires: Option<Vec<RequiredEvent>>,
}

/// Scheduling of activities of a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityRule {
    /// Name of the activity, or a glob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 256))]
    pub name: Option<String>,
    /// What must have happened before, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub requires: Option<Vec<RequiredEvent>>,
}

/// An operation on a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Start an instance.
    Schedule,
    /// End an instance.
    Terminate,
    /// Raise an event.
    Raise,
    /// Pause an instance.
    Pause,
    /// Resume a paused instance.
    Resume,
    /// Delete the state of an instance.
    Purge,
    /// Read the state of an instance.
    Get,
    /// Run an instance again from a point of its history.
    Rerun,
}

/// An event that the history of the caller must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredEvent {
    /// Sort of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub event_type: Option<EventType>,
    /// Name of the activity, the workflow or the raised event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 256))]
    pub name: Option<String>,
    /// App that the event came from.
    #[serde(rename = "appID", skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 256))]
    pub app_id: Option<String>,
}

/// Sort of an event in the history of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum EventType {
    /// An activity began.
    #[serde(rename = "activity.started")]
    ActivityStarted,
    /// An activity ended.
    #[serde(rename = "activity.completed")]
    ActivityCompleted,
    /// A child workflow began.
    #[serde(rename = "workflow.started")]
    WorkflowStarted,
    /// A child workflow ended.
    #[serde(rename = "workflow.completed")]
    WorkflowCompleted,
    /// An event came from outside.
    #[serde(rename = "event.raised")]
    EventRaised,
}
