//! What the instances run in. A new one is ready before an old one goes.

use injector_core::shared::APP_REVISION;
use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, Deployment, DeploymentSpec,
    DeploymentStrategy, RollingUpdateDaemonSet, RollingUpdateDeployment,
};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec,
    MetricIdentifier, MetricSpec, MetricTarget, PodsMetricSource,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::plan::Plan;
use super::{Surroundings, metadata, selector};

/// What the proxy counts and metrics adapters read: calls that run, to the app and to daprd.
const IN_FLIGHT: &str = "trilby_proxy_in_flight";
/// Calls that run at once in an instance, if nobody says.
const TARGET: i32 = 100;
/// How long an instance must have been ready before the next one is replaced, in seconds.
const SETTLED: i32 = 5;
const HISTORY: i32 = 3;

/// Annotation of the pods with the digest of their Configuration.
const CONFIGURATION: &str = "trilby.dev/configuration";

/// The template with what stands for all that daprd reads and asks when it starts.
pub(super) fn template(
    mut template: PodTemplateSpec,
    surroundings: &Surroundings,
) -> PodTemplateSpec {
    let known = [
        (CONFIGURATION, surroundings.configuration.as_deref()),
        (APP_REVISION, surroundings.revision.as_deref()),
    ];
    let known = known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
    let metadata = template.metadata.get_or_insert_default();
    metadata.annotations.get_or_insert_default().extend(known);
    template
}

/// With an autoscaler the number of replicas is its business.
pub(super) fn deployment(plan: &Plan, template: PodTemplateSpec) -> Deployment {
    let replicas = plan.spec.replicas.unwrap_or(1);
    let strategy = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    Deployment {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(DeploymentSpec {
            replicas: plan.spec.autoscaling.is_none().then_some(replicas),
            selector: selector(plan),
            min_ready_seconds: Some(SETTLED),
            revision_history_limit: Some(HISTORY),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(strategy),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

pub(super) fn daemon_set(plan: &Plan, template: PodTemplateSpec) -> DaemonSet {
    let strategy = RollingUpdateDaemonSet {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    DaemonSet {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(DaemonSetSpec {
            selector: selector(plan),
            min_ready_seconds: Some(SETTLED),
            revision_history_limit: Some(HISTORY),
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(strategy),
            }),
            template,
        }),
        status: None,
    }
}

pub(super) fn autoscaler(plan: &Plan) -> Option<HorizontalPodAutoscaler> {
    let bounds = plan.spec.autoscaling.as_ref()?;
    let target = bounds.target_in_flight.unwrap_or(TARGET);
    let kind = plan.workload_kind().resource();
    Some(HorizontalPodAutoscaler {
        metadata: metadata(plan, plan.names.instance()),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(kind.api_version()),
                kind: kind.kind.to_owned(),
                name: plan.names.instance(),
            },
            min_replicas: bounds.min,
            max_replicas: bounds.max.or(bounds.min).unwrap_or(1),
            metrics: Some(vec![in_flight(target)]),
            ..HorizontalPodAutoscalerSpec::default()
        }),
        status: None,
    })
}

fn in_flight(target: i32) -> MetricSpec {
    MetricSpec {
        type_: "Pods".to_owned(),
        pods: Some(PodsMetricSource {
            metric: MetricIdentifier {
                name: IN_FLIGHT.to_owned(),
                selector: None,
            },
            target: MetricTarget {
                type_: "AverageValue".to_owned(),
                average_value: Some(Quantity(target.to_string())),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}
