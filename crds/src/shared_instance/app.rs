//! The app behind an instance, and how the instance serves it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The app that daprd calls: pods by their labels, or anything that has a host and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.selector) && has(self.host))",
        "message": "app.selector and app.host exclude each other: remove one of them",
    },
    {
        "rule": "!has(self.host) || has(self.port)",
        "message": "app.host needs a port: set app.port",
    },
]))]
pub struct App {
    /// Labels of the app's pods; if left out, the label of bound pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub selector: Option<BTreeMap<String, String>>,
    /// Host name or address of an app that is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = [{
        "rule": "!self.contains('/')",
        "message": "app.host is a host name or an address: remove the scheme and the path, and set \
                    app.protocol instead",
    }]))]
    pub host: Option<String>,
    /// Port of the app; that of annotation `dapr.io/app-port` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port")]
    pub port: Option<i32>,
    /// What the app speaks; as annotation `dapr.io/app-protocol` says if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// What an app speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// gRPC.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
    /// HTTP/2 without TLS.
    H2c,
}

/// Bounds within which the number of instances follows the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.min >= 1 && self.min <= self.max",
    "message": "autoscaling.min is 1 or more and at most autoscaling.max: change one of them",
}]))]
pub struct Autoscaling {
    /// Fewest instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = 1))]
    pub min: Option<i32>,
    /// Most instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub max: Option<i32>,
    /// Calls that run at once in each instance, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "target")]
    pub target_in_flight: Option<i32>,
}

/// The Service by which apps reach the instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// How it is exposed; `ClusterIP` if left out. The `NetworkPolicy` holds all the same.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ServiceType>,
}

/// How a Service is exposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// At a port of each node.
    NodePort,
    /// By a load balancer.
    LoadBalancer,
}

/// Tokens that apps show to daprd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// How long until a token is followed by another, as a Go duration; `720h` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rotate_after")]
    pub rotate_after: Option<String>,
}

/// When an instance that was made for annotations is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// How long after the last workload was gone, as a Go duration; `10m` if left out. Instances
    /// without the label `app.kubernetes.io/managed-by: trilby` stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "idle_after")]
    pub after: Option<String>,
}

// === impl Protocol ===

impl Protocol {
    /// As annotations spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::H2c => "h2c",
        }
    }
}

pub(super) fn replicas(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "x-kubernetes-validations": [{
        "rule": "self >= 0",
        "message": "replicas is 0 or more: 0 stops the instances without forgetting them",
    }]})
}

/// The number of keys bounds what the API server has to reckon with.
pub(super) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string"},
        "maxProperties": 128,
        "x-kubernetes-validations": [
            {
                "rule": "self.all(key, key.startsWith('dapr.io/') || key == 'trilby.dev/api-tls-secret')",
                "message": "annotations holds settings of daprd, which begin with dapr.io/, and \
                            trilby.dev/api-tls-secret: move other keys to podAnnotations",
            },
            {
                "rule": "!('dapr.io/app-id' in self) && !('dapr.io/enabled' in self)",
                "message": "dapr.io/app-id and dapr.io/enabled are no settings of an instance: \
                            remove them, and set appId instead",
            },
        ],
    })
}

pub(super) fn binding_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "string", "maxLength": 253},
        "maxItems": 128,
        "x-kubernetes-list-type": "set",
    })
}

pub(super) fn pod_annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string"},
        "maxProperties": 128,
        "x-kubernetes-validations": [{
            "rule": "self.all(key, !key.startsWith('dapr.io/') && !key.startsWith('trilby.dev/'))",
            "message": "settings of daprd have no effect in podAnnotations: move keys that begin \
                        with dapr.io/ to annotations",
        }],
    })
}

fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string"},
        "x-kubernetes-validations": [{
            "rule": "self.size() > 0",
            "message": "app.selector without labels would select nothing: name a label of the app's \
                        pods, or remove app.selector",
        }],
    })
}

fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "x-kubernetes-validations": [{
        "rule": "self >= 1 && self <= 65535",
        "message": "app.port is a number from 1 to 65535: remove it if daprd never calls the app",
    }]})
}

fn target(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "format": "int32",
        "x-default": 100,
        "x-kubernetes-validations": [{
            "rule": "self >= 1",
            "message": "autoscaling.targetInFlight is 1 or more: remove it for 100",
        }],
    })
}

fn rotate_after(_: &mut SchemaGenerator) -> Schema {
    duration(
        "1h",
        "tokens.rotateAfter is a duration of an hour or more: write one such as 720h",
    )
}

fn idle_after(_: &mut SchemaGenerator) -> Schema {
    duration(
        "0s",
        "idle.after is a duration that is not negative: write one such as 10m",
    )
}

fn duration(least: &str, message: &str) -> Schema {
    let rule = format!(
        "self.matches('^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$') && duration(self) >= duration('{least}')"
    );
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{"rule": rule, "message": message}],
    })
}
