//! Traces, metrics and logs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::NameValuePair;

/// Traces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Part of the calls that are traced, between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub sampling_rate: Option<String>,
    /// Whether traces are printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<bool>,
    /// Export to Zipkin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipkin: Option<Zipkin>,
    /// Export over OTLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otel: Option<Otel>,
}

/// Export to Zipkin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Zipkin {
    /// URL of the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub endpoint_address: Option<String>,
}

/// Export over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Otel {
    /// `grpc` or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub protocol: Option<String>,
    /// Host and port of the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub endpoint_address: Option<String>,
    /// Whether the connection uses TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub is_secure: Option<bool>,
    /// Headers added to each export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<NameValuePair>>,
    /// Longest duration of an export, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// Metrics of a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Whether metrics are collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub enabled: Option<bool>,
    /// Whether error codes are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_error_codes: Option<bool>,
    /// Metrics of HTTP calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMetrics>,
    /// Rewriting of labels, by metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<MetricRule>>,
    /// Upper bounds of the latency buckets, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_distribution_buckets: Option<Vec<i64>>,
    /// Metrics of workflows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowMetrics>,
}

/// Metrics of HTTP calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMetrics {
    /// Whether each path becomes a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increased_cardinality: Option<bool>,
    /// Paths that become labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_matching: Option<Vec<String>>,
    /// Whether verbs are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_verbs: Option<bool>,
}

/// Rewriting of the labels of one metric.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricRule {
    /// Name of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// The labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub labels: Option<Vec<MetricLabel>>,
}

/// Rewriting of one label.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricLabel {
    /// Name of the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Regular expressions by the value that replaces what they match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub regex: Option<BTreeMap<String, String>>,
}

/// Metrics of workflows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowMetrics {
    /// Upper bounds of the latency buckets, in the unit below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_distribution_buckets: Option<Vec<i64>>,
    /// The unit, as a Go duration; a millisecond if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_distribution_units: Option<String>,
}

/// Logs of a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// Logs of API calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_logging: Option<ApiLogging>,
}

/// Logs of API calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiLogging {
    /// Whether calls are logged, unless the sidecar was told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the route is logged in place of the path.
    #[serde(rename = "obfuscateURLs", skip_serializing_if = "Option::is_none")]
    pub obfuscate_urls: Option<bool>,
    /// Whether health checks are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omit_health_checks: Option<bool>,
}
