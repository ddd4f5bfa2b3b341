//! Parts that several kinds share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema;

/// A named value: given in place, by a secret, or by an environment variable of the sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameValuePair {
    /// Name of the property.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// The value in place: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any")]
    pub value: Option<Value>,
    /// The secret that holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// The environment variable of the sidecar that holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_ref: Option<String>,
}

/// Where in a secret store a value is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Key inside the secret; the name of the secret if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Which secret store resolves the references of a resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Name of a secret store component; empty or `kubernetes` means Kubernetes Secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub secret_store: Option<String>,
}
