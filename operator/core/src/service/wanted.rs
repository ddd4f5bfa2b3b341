//! The Service that a workload should have.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::{Sidecar, Workload};
use crate::assignment::{APP_ID, ENABLED};

const HTTP_PORT: i32 = 80;
const HTTP_TARGET_PORT: i32 = 3500;
const GRPC_PORT: i32 = 50001;
const INTERNAL_PORT: i32 = 50002;
const METRICS_PORT: i32 = 9090;

/// Longest name of a Service.
const LONGEST_NAME: usize = 63;

/// What holds for all Services.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether sidecars talk to each other over TLS.
    pub mtls: bool,
}

/// An app ID that cannot be part of a Service's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the app ID {0:?} makes no name of a Service: it must be a DNS label of at most 58 characters"
)]
pub struct InvalidAppId(String);

/// The Service that a workload should have; none if it has no sidecars.
///
/// # Errors
///
/// If its app ID cannot be part of a Service's name.
pub fn wanted(workload: &Workload, settings: Settings) -> Result<Option<Service>, InvalidAppId> {
    let (Some(sidecar), Some(app_id)) = (&workload.sidecar, workload.app_id()) else {
        return Ok(None);
    };
    let name = name(app_id).ok_or_else(|| InvalidAppId(app_id.to_owned()))?;
    let mut service = build(name, app_id, sidecar, settings);
    service.metadata.namespace = Some(workload.key.namespace.to_string());
    service.metadata.owner_references = Some(vec![workload.owner()]);
    Ok(Some(service))
}

/// The Service in front of pods with daprd, without namespace and owner.
pub(crate) fn build(name: String, app_id: &str, sidecar: &Sidecar, settings: Settings) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(name),
            labels: Some([(ENABLED.to_owned(), "true".to_owned())].into()),
            annotations: Some(annotations(app_id, sidecar)),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: Some(sidecar.selector.clone()),
            ports: Some(ports(sidecar, settings)),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Name of the Service of an app; none if the app ID is not fit for one.
fn name(app_id: &str) -> Option<String> {
    let name = format!("{app_id}-dapr");
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = app_id.bytes().next().is_some_and(|byte| byte != b'-');
    (starts && name.len() <= LONGEST_NAME && name.bytes().all(inside)).then_some(name)
}

fn annotations(app_id: &str, sidecar: &Sidecar) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([(APP_ID.to_owned(), app_id.to_owned())]);
    if sidecar.metrics() {
        let port = sidecar
            .port("dapr.io/metrics-port", METRICS_PORT)
            .to_string();
        for (key, value) in [
            ("probe", "true"),
            ("scrape", "true"),
            ("port", &port),
            ("path", "/"),
        ] {
            annotations.insert(format!("prometheus.io/{key}"), value.to_owned());
        }
    }
    for (key, value) in sidecar.further_annotations() {
        annotations
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    annotations
}

fn ports(sidecar: &Sidecar, settings: Settings) -> Vec<ServicePort> {
    let grpc = sidecar.port("dapr.io/grpc-port", GRPC_PORT);
    let internal = sidecar.port("dapr.io/internal-grpc-port", INTERNAL_PORT);
    let metrics = sidecar.port("dapr.io/metrics-port", METRICS_PORT);
    let internal_protocol = if settings.mtls { "tls" } else { "grpc" };
    vec![
        port("dapr-http", HTTP_PORT, HTTP_TARGET_PORT, "http"),
        port("dapr-grpc", grpc, grpc, "grpc"),
        port("dapr-internal", internal, internal, internal_protocol),
        port("dapr-metrics", metrics, metrics, "http"),
    ]
}

fn port(name: &str, port: i32, target: i32, protocol: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        protocol: Some("TCP".to_owned()),
        port,
        target_port: Some(IntOrString::Int(target)),
        app_protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    }
}

// === impl Sidecar ===

impl Sidecar {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A number that cannot be read counts as not given; the injector is the one to complain.
    fn port(&self, key: &str, default: i32) -> i32 {
        self.annotation(key)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    fn metrics(&self) -> bool {
        self.annotation("dapr.io/enable-metrics")
            .is_none_or(config::truthy)
    }

    /// Pairs `key=value`, separated by commas. Entries that are no pair are passed over.
    fn further_annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self
            .annotation("dapr.io/sidecar-svc-annotations")
            .unwrap_or_default();
        text.split(',')
            .filter_map(|entry| entry.split_once('='))
            .map(|(key, value)| (key.trim(), value.trim()))
            .filter(|(key, _)| !key.is_empty())
    }
}
