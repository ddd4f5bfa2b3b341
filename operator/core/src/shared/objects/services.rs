//! The ways to the instances, and to the app.

use crds::shared_instance::{ServiceType, Strategy};
use injector_core::shared::{BOUND_TO, GRPC_PORT, HTTP_PORT};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::plan::Plan;
use super::{Surroundings, labels, metadata};
use crate::service::{self, Settings, Sidecar};

/// First versions of Kubernetes with these preferences on by default. The first two came together,
/// and the third was the second's name until then.
const SAME: (u32, u32) = (1, 34);
const CLOSE: (u32, u32) = (1, 31);

/// The way for the app's pods to the instances, the way for the proxies to the app's pods, and the
/// way for other apps' daprds.
pub(super) fn services(plan: &Plan, surroundings: &Surroundings) -> Vec<Service> {
    let mut services = vec![for_apps(plan, surroundings), for_daprds(plan, surroundings)];
    services.extend(to_app(plan));
    services
}

fn for_apps(plan: &Plan, surroundings: &Surroundings) -> Service {
    let type_ = plan.spec.service.as_ref().and_then(|service| service.type_);
    let type_ = match type_.unwrap_or_default() {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    Service {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(labels(plan)),
            ports: Some(vec![
                port("dapr-http", HTTP_PORT.into(), "http"),
                port("dapr-grpc", GRPC_PORT.into(), "grpc"),
            ]),
            traffic_distribution: distribution(plan.strategy(), surroundings.kubernetes),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The nearest instance is a preference: where it is away, another one serves. Clusters that don't
/// know the preference would refuse the Service for it.
fn distribution(strategy: Strategy, kubernetes: (u32, u32)) -> Option<String> {
    let preference = match strategy {
        Strategy::DaemonSet if kubernetes >= SAME => "PreferSameNode",
        Strategy::Deployment if kubernetes >= SAME => "PreferSameZone",
        _ if kubernetes >= CLOSE => "PreferClose",
        _ => return None,
    };
    Some(preference.to_owned())
}

/// The same as for an app with sidecars, whose pods these are for others.
fn for_daprds(plan: &Plan, surroundings: &Surroundings) -> Service {
    let sidecar = Sidecar {
        selector: labels(plan),
        annotations: plan.settings.clone(),
    };
    let settings = Settings {
        mtls: surroundings.mtls,
    };
    let (name, app_id) = (plan.names.dapr_service(), plan.names.app_id());
    let mut service = service::build(name, app_id, &sidecar, settings);
    let ours = metadata(plan, String::new());
    service.metadata.namespace = ours.namespace;
    service.metadata.owner_references = ours.owner_references;
    service
        .metadata
        .labels
        .get_or_insert_default()
        .extend(labels(plan));
    service
}

fn to_app(plan: &Plan) -> Option<Service> {
    let bound = || [(BOUND_TO.to_owned(), plan.names.app_id().to_owned())].into();
    let number = plan.app_port()?;
    Some(Service {
        metadata: ObjectMeta {
            ..metadata(plan, plan.names.app_service())
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: Some(plan.app_selector().cloned().unwrap_or_else(bound)),
            ports: Some(vec![port("app", number, protocol(plan))]),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

fn protocol(plan: &Plan) -> &'static str {
    match plan
        .settings
        .get("dapr.io/app-protocol")
        .map(String::as_str)
    {
        Some("grpc") => "grpc",
        Some("h2c") => "kubernetes.io/h2c",
        _ => "http",
    }
}

fn port(name: &str, port: i32, protocol: &str) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        protocol: Some("TCP".to_owned()),
        port,
        app_protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    }
}
