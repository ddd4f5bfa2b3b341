//! Configuration: settings of sidecars and, as `daprsystem`, of the control plane.

mod access;
mod http;
mod telemetry;
mod workflow;

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use access::{
    AccessControl, Api, ApiRule, AppOperation, AppPolicy, Components, SecretScope, Secrets,
};
pub use http::{Handler, Pipeline, Selector, SelectorField};
pub use telemetry::{
    ApiLogging, HttpMetrics, Logging, Metric, MetricLabel, MetricRule, Otel, Tracing,
    WorkflowMetrics, Zipkin,
};
pub use workflow::{ConcurrencyLimit, StateRetention, Workflow};

use crate::resource::resource;
use crate::schema;
use crate::status::Status;

/// Settings of sidecars and, as `daprsystem`, of the control plane.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Name, namespace, annotations and so on.
    #[serde(default)]
    #[schemars(schema_with = "schema::object")]
    pub metadata: ObjectMeta,
    /// The settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<ConfigurationSpec>,
    /// What the control plane found out about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

resource!(Configuration, "Configuration", "configurations", "v1alpha1");

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationSpec {
    /// Middleware of calls to the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_http_pipeline: Option<Pipeline>,
    /// Middleware of calls to the sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_pipeline: Option<Pipeline>,
    /// Traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// Metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = {"enabled": true}))]
    pub metric: Option<Metric>,
    /// Metrics, under another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = {"enabled": true}))]
    pub metrics: Option<Metric>,
    /// Identity and mutual TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls: Option<Mtls>,
    /// Access to secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Secrets>,
    /// Who may invoke the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_control: Option<AccessControl>,
    /// How names of apps are resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_resolution: Option<NameResolution>,
    /// Features switched on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<Feature>>,
    /// Which APIs of the sidecar answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Which components may be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<Components>,
    /// Logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// WebAssembly components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm: Option<Wasm>,
    /// Workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Workflow>,
}

/// Identity and mutual TLS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mtls {
    /// Whether sidecars talk over mutual TLS; they do if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub enabled: Option<bool>,
    /// Lifetime of the certificate of a sidecar, as a Go duration.
    #[serde(rename = "workloadCertTTL", skip_serializing_if = "Option::is_none")]
    pub workload_cert_ttl: Option<String>,
    /// How far clocks may differ, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_clock_skew: Option<String>,
    /// Host and port of sentry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentry_address: Option<String>,
    /// Trust domain of the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane_trust_domain: Option<String>,
    /// Further ways to prove an identity to sentry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_validators: Option<Vec<TokenValidator>>,
}

/// A way to prove an identity to sentry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenValidator {
    /// Which way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, extend("enum" = ["jwks"]))]
    pub name: Option<String>,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub options: Option<Value>,
}

/// How names of apps are resolved.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameResolution {
    /// Name of the resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub component: Option<String>,
    /// Version of the resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub configuration: Option<Value>,
}

/// A feature switched on or off.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// Name of the feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub enabled: Option<bool>,
}

/// WebAssembly components.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wasm {
    /// Whether all of them run without clocks and random numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_sandbox: Option<bool>,
}
