//! Who may do what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may invoke the app.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessControl {
    /// `allow` or `deny` where no policy decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_action: Option<String>,
    /// Trust domain of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
    /// What other apps may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<AppPolicy>>,
}

/// What another app may do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppPolicy {
    /// ID of the other app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub app_id: Option<String>,
    /// `allow` or `deny` where no operation decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_action: Option<String>,
    /// Trust domain of the other app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
    /// Namespace of the other app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What it may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<AppOperation>>,
}

/// A path, or a glob over paths, and whether it may be called.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppOperation {
    /// The path or the glob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// HTTP verbs that the entry holds for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_verb: Option<Vec<String>>,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub action: Option<String>,
}

/// Which APIs of the sidecar answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Only these answer, if any is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<ApiRule>>,
    /// These do not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<Vec<ApiRule>>,
}

/// One API of the sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiRule {
    /// Name of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Version of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub version: Option<String>,
    /// `http` or `grpc`; both if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Which components may be loaded.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Components {
    /// Types that may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<String>>,
}

/// Access to secrets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    /// By secret store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub scopes: Option<Vec<SecretScope>>,
}

/// Access to the secrets of one store.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretScope {
    /// `allow` or `deny` for secrets not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_access: Option<String>,
    /// Name of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub store_name: Option<String>,
    /// Secrets that may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_secrets: Option<Vec<String>>,
    /// Secrets that may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_secrets: Option<Vec<String>>,
}
