//! Subscription: which topic is delivered where. Two versions, stored as `v2alpha1`.

use std::collections::BTreeMap;

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// Delivery of a topic to one path of an app.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionV1 {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// The topic and the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<SubscriptionV1Spec>,
    /// The app IDs that it holds for; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(SubscriptionV1, "Subscription", "subscriptions", "v1alpha1");

/// The topic and the path of a subscription in its older version.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionV1Spec {
    /// Name of the broker component.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub pubsubname: Option<String>,
    /// Topic to subscribe to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub topic: Option<String>,
    /// Settings for the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Path of the app that gets each event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub route: Option<String>,
    /// Topic for events that could not be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_topic: Option<String>,
    /// Delivery in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_subscribe: Option<BulkSubscribe>,
}

/// Delivery of a topic to paths of an app, by rules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// The topic and the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<SubscriptionSpec>,
    /// The app IDs that it holds for; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(Subscription, "Subscription", "subscriptions", "v2alpha1");

/// The topic and the rules of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionSpec {
    /// Name of the broker component.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub pubsubname: Option<String>,
    /// Topic to subscribe to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub topic: Option<String>,
    /// Settings for the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Which path of the app gets which events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub routes: Option<Routes>,
    /// Topic for events that could not be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_topic: Option<String>,
    /// Delivery in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_subscribe: Option<BulkSubscribe>,
}

/// Which path of the app gets which events.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Routes {
    /// Tried in order; the first that matches decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// Path for events that no rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// One path and the events it gets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// CEL expression over the event.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub match_: Option<String>,
    /// Path of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub path: Option<String>,
}

/// Delivery in batches.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkSubscribe {
    /// Whether events come in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub enabled: Option<bool>,
    /// Most events in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages_count: Option<i32>,
    /// Longest wait for a batch to fill, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_await_duration_ms: Option<i32>,
}
