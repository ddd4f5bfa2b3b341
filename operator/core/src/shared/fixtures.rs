//! What tests of instances are about: the app `checkout` in the namespace `shop`.

use crds::shared_instance::SharedInstance;
use injector_core::{Cluster, Defaults, Facts};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Action, AppKey, Binding, BoundKind, Decision, Plan, Registry};

/// The image of the proxy.
pub(super) const PROXY: &str = "proxy:1";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(super) fn key() -> AppKey {
    AppKey::new("shop", "checkout")
}

/// A workload of that age in seconds, with further annotations.
pub(super) fn workload(kind: BoundKind, name: &str, age: i64, annotations: &Value) -> Binding {
    let mut all = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"});
    for (key, value) in annotations.as_object().unwrap() {
        all[key] = value.clone();
    }
    let template = json!({"metadata": {"annotations": all}, "spec": {"serviceAccountName": name}});
    let spec = match kind {
        BoundKind::CronJob => json!({"jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"template": template}),
    };
    let object = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "creationTimestamp": at(1_000_000 - age).to_string(),
        },
        "spec": spec,
    });
    Binding::read(kind, &object).unwrap()
}

/// A Deployment with port 8080 that asks for replicas.
pub(super) fn shared(name: &str, age: i64) -> Binding {
    let annotations = json!({"trilby.dev/mode": "shared-deployment", "dapr.io/app-port": "8080"});
    workload(BoundKind::Deployment, name, age, &annotations)
}

/// An instance named like the app; fields are merged over those of the object.
pub(super) fn instance(spec: &Value) -> SharedInstance {
    named("checkout", spec)
}

pub(super) fn named(name: &str, spec: &Value) -> SharedInstance {
    let object = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 3,
            "resourceVersion": "7", "creationTimestamp": at(0).to_string(),
        },
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// One that was made for annotations.
pub(super) fn managed(spec: &Value) -> SharedInstance {
    let mut instance = instance(spec);
    let label = (super::MANAGED_BY.to_owned(), super::MANAGER.to_owned());
    instance.metadata.labels = Some([label].into());
    instance
}

/// The plan for an instance with one workload.
pub(super) fn plan(spec: &Value) -> Plan {
    let mut registry = Registry::default();
    registry.apply_workload(shared("web", 10));
    registry.apply_instance(instance(spec));
    planned(registry.decide(&key(), at(1_000_000)))
}

pub(super) fn planned(decision: Decision) -> Plan {
    let mut plans = decision
        .actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Keep(plan) => Some(*plan),
            _ => None,
        });
    plans.next().unwrap()
}

/// The pods of a plan, as the builder of daprd has them.
pub(super) fn template(plan: &Plan) -> PodTemplateSpec {
    let env = |name: &str| match name {
        "NAMESPACE" => Some("dapr-system".to_owned()),
        "SIDECAR_IMAGE" => Some("daprd:1".to_owned()),
        _ => None,
    };
    let (cluster, _) = Cluster::read(&env, "", true).unwrap();
    let facts = Facts {
        trust_anchors: "anchors".to_owned(),
        mtls: true,
        identity_token: true,
    };
    let instance = plan.instance(PROXY);
    instance
        .template(&cluster, &facts, &Defaults::default())
        .unwrap()
        .template
}
