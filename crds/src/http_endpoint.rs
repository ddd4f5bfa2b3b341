//! `HTTPEndpoint`: a service outside of Dapr that can be invoked by name.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::common::{Auth, NameValuePair, SecretKeyRef};
use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// A service outside of Dapr that can be invoked by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpEndpoint {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// Where the service is and how to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<HttpEndpointSpec>,
    /// How secret references are resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The app IDs that may use it; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(HttpEndpoint, "HTTPEndpoint", "httpendpoints", "v1alpha1");

/// Where the service is and how to call it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpEndpointSpec {
    /// URL that the invoked paths are appended to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub base_url: Option<String>,
    /// Headers added to each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<NameValuePair>>,
    /// TLS settings of the connection.
    #[serde(rename = "clientTLS", skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<ClientTls>,
}

/// TLS settings of a connection to the service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// Roots that the service is verified against.
    #[serde(rename = "rootCA", skip_serializing_if = "Option::is_none")]
    pub root_ca: Option<TlsDocument>,
    /// Certificate that the sidecar presents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<TlsDocument>,
    /// Key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<TlsDocument>,
    /// Whether the service may ask for a second handshake on the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "Never"))]
    pub renegotiation: Option<Renegotiation>,
}

/// A PEM document, given in place or by a secret.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsDocument {
    /// The document in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any")]
    pub value: Option<Value>,
    /// The secret that holds the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// Whether the service may ask for a second handshake on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Renegotiation {
    /// It may not.
    #[default]
    Never,
    /// Once per connection.
    OnceAsClient,
    /// As often as it likes.
    FreelyAsClient,
}
