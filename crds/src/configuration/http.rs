//! Middleware of HTTP calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Middleware of HTTP calls, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// The steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub handlers: Option<Vec<Handler>>,
}

/// One step: a middleware component.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Handler {
    /// Name of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Type of the component.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub type_: Option<String>,
    /// Which targets it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// Which targets a step applies to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// All of these must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub fields: Option<Vec<SelectorField>>,
}

/// One field that must have a value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectorField {
    /// Name of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub field: Option<String>,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub value: Option<String>,
}
