//! Who may connect to the instances, and how many of them a drain may stop at once.

use crds::shared_instance::Strategy;
use injector_core::shared::{
    BOUND_TO, GRPC_PORT, HTTP_PORT, PROXY_HEALTH_PORT, PROXY_METRICS_PORT,
};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::plan::Plan;
use super::{metadata, selector};

const INTERNAL_PORT: i32 = 50002;
const METRICS_PORT: i32 = 9090;

/// daprd's public port stays shut: it tells about components without a token, and the kubelet,
/// who asks it, is let in by every implementation of these policies.
pub(super) fn network(plan: &Plan) -> NetworkPolicy {
    let internal = plan
        .port("dapr.io/internal-grpc-port")
        .unwrap_or(INTERNAL_PORT);
    let metrics = plan.port("dapr.io/metrics-port").unwrap_or(METRICS_PORT);
    let monitoring = [metrics, PROXY_METRICS_PORT.into(), PROXY_HEALTH_PORT.into()];
    NetworkPolicy {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(plan)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                rule(Some(bound(plan)), &[HTTP_PORT.into(), GRPC_PORT.into()]),
                rule(Some(any_pod()), &[internal]),
                rule(None, &monitoring),
            ]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// One at a time. A drain never waits for a single instance for ever.
pub(super) fn disruption(plan: &Plan) -> Option<PodDisruptionBudget> {
    (plan.strategy() == Strategy::Deployment).then(|| PodDisruptionBudget {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(plan)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

/// Pods of the same namespace.
fn bound(plan: &Plan) -> NetworkPolicyPeer {
    let labels = [(BOUND_TO.to_owned(), plan.names.app_id().to_owned())];
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector {
            match_labels: Some(labels.into()),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// daprds of other apps have certificates; their pods have no label in common.
fn any_pod() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn rule(from: Option<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    let port = |port: &i32| NetworkPolicyPort {
        port: Some(IntOrString::Int(*port)),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyIngressRule {
        from: from.map(|peer| vec![peer]),
        ports: Some(ports.iter().map(port).collect()),
    }
}
