//! `MCPServer`: a server of the Model Context Protocol whose tools workflows can call.

use std::collections::BTreeMap;

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{NameValuePair, SecretKeyRef};
use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// A server of the Model Context Protocol whose tools workflows can call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServer {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// Where the server is and how it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<McpServerSpec>,
    /// The app IDs that may use it; all of the namespace if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(McpServer, "MCPServer", "mcpservers", "v1alpha1");

/// Where the server is and how it is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServerSpec {
    /// How the server is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub endpoint: Option<Endpoint>,
    /// Workflows called around requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middleware: Option<Middleware>,
    /// What people should know about the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<Catalog>,
    /// Whether a sidecar goes on if the server cannot be set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_errors: Option<bool>,
}

/// How the server is reached: exactly one transport.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.streamableHTTP), has(self.sse), has(self.stdio)].exists_one(set, set)",
    "message": "set exactly one of streamableHTTP, sse and stdio",
}]))]
pub struct Endpoint {
    /// Streamable HTTP.
    #[serde(rename = "streamableHTTP", skip_serializing_if = "Option::is_none")]
    pub streamable_http: Option<HttpTransport>,
    /// HTTP with server-sent events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<HttpTransport>,
    /// A child process of the sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdio: Option<StdioTransport>,
}

/// A transport over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpTransport {
    /// Address of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub url: Option<String>,
    /// Version of the protocol to insist on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// Longest duration of a call, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Headers added to each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<NameValuePair>>,
    /// How requests are authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<McpAuth>,
}

/// A transport over the standard streams of a child process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StdioTransport {
    /// Program to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<NameValuePair>>,
}

/// How requests to a server are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpAuth {
    /// Name of a secret store component; empty or `kubernetes` means Kubernetes Secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_store: Option<String>,
    /// OAuth 2.0 client credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// A token for the identity of the sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<SpiffeAuth>,
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2 {
    /// URL of the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub issuer: Option<String>,
    /// ID of the client.
    #[serde(rename = "clientID", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Scopes asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Audience asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The secret of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A token for the identity of the sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpiffeAuth {
    /// A JWT-SVID in a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<SpiffeJwt>,
}

/// A JWT-SVID in a header.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpiffeJwt {
    /// Name of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub header: Option<String>,
    /// Text before the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_value_prefix: Option<String>,
    /// Audience of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub audience: Option<String>,
}

/// Workflows called around requests, in order; a failing one ends the request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Middleware {
    /// Before each call of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_call_tool: Option<Vec<MutatingHook>>,
    /// After each call of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_call_tool: Option<Vec<MutatingHook>>,
    /// Before each listing of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_list_tools: Option<Vec<Hook>>,
    /// After each listing of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_list_tools: Option<Vec<MutatingHook>>,
}

/// A workflow that sees a request, and may change it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutatingHook {
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub workflow: Option<WorkflowRef>,
    /// Whether its result replaces what it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutate: Option<bool>,
}

/// A workflow that sees a request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub workflow: Option<WorkflowRef>,
}

/// A workflow, here or in another app.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRef {
    /// Name of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub workflow_name: Option<String>,
    /// App that hosts it; this app if left out.
    #[serde(rename = "appID", skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// What people should know about the server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Further pages by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<BTreeMap<String, String>>,
}

/// Who looks after a server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Name of the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// How to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}
