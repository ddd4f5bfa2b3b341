use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::shared::fixtures::{
    at, instance, key, managed, named, planned, shared, template, workload,
};
use crate::shared::{BoundKind, Look};

const NOW: i64 = 1_000_000;

fn decide(registry: &Registry) -> Decision {
    registry.decide(&key(), at(NOW))
}

fn names(decision: &Decision) -> Vec<&'static str> {
    let name = |action: &Action| match action {
        Action::Make(_) => "make",
        Action::Adjust { .. } => "adjust",
        Action::Keep(_) => "keep",
        Action::Tell { .. } => "tell",
        Action::Collect { .. } => "collect",
    };
    decision.actions.iter().map(name).collect()
}

fn reasons(decision: &Decision) -> Vec<(String, &'static str)> {
    let told = decision.notices.iter();
    told.map(|notice| (notice.regarding.name.clone().unwrap(), notice.reason))
        .collect()
}

fn condition(decision: &Decision, type_: &str) -> (String, String, String) {
    let status = decision
        .actions
        .iter()
        .rev()
        .find_map(|action| match action {
            Action::Tell { status, .. } => Some((**status).clone()),
            Action::Keep(plan) => Some(plan.status(&crate::shared::Outcome::default(), at(NOW))),
            _ => None,
        });
    let conditions = status.unwrap().conditions.unwrap();
    let found = conditions
        .into_iter()
        .find(|one| one.type_ == type_)
        .unwrap();
    (found.status, found.reason, found.message)
}

fn sidecar(name: &str) -> Binding {
    workload(BoundKind::Deployment, name, 5, &json!({}))
}

fn pod(name: &str, seconds: i64) -> Pod {
    let metadata = json!({
        "name": name, "namespace": "shop", "creationTimestamp": at(seconds).to_string(),
        "labels": {"trilby.dev/bound-to": "checkout"},
    });
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

#[rstest]
#[case(BoundKind::Deployment, "shared-deployment", Strategy::Deployment)]
#[case(BoundKind::CronJob, "shared-deployment", Strategy::Deployment)]
#[case(BoundKind::StatefulSet, "shared-daemonset", Strategy::DaemonSet)]
fn an_annotated_workload_gets_an_instance(
    #[case] kind: BoundKind,
    #[case] mode: &str,
    #[case] strategy: Strategy,
) {
    let mut registry = Registry::default();
    let look = registry.apply_workload(workload(kind, "web", 0, &json!({"trilby.dev/mode": mode})));
    assert_eq!(look, [key()].into());
    let decision = decide(&registry);
    let [Action::Make(made)] = decision.actions.as_slice() else {
        panic!("{decision:?}")
    };
    assert_eq!(made.metadata.name.as_deref(), Some("checkout"));
    assert!(is_managed(made));
    assert_eq!(made.spec.as_ref().unwrap().strategy, Some(strategy));
    registry.apply_instance(managed(&json!({"strategy": strategy})));
    assert_eq!(names(&decide(&registry)), ["keep"]);
}

#[test]
fn a_sidecar_needs_none() {
    let mut registry = Registry::default();
    registry.apply_workload(sidecar("web"));
    let decision = decide(&registry);
    assert_eq!((names(&decision), reasons(&decision)), (vec![], vec![]));
}

#[test]
fn namespaces_and_the_cluster_say_it_too() {
    let mut registry = Registry::new(Some("shared-deployment".to_owned()));
    registry.apply_workload(sidecar("web"));
    assert_eq!(names(&decide(&registry)), ["make"]);
    let namespace = |mode: &str| {
        serde_json::from_value(json!({"name": "shop", "annotations": {"trilby.dev/mode": mode}}))
    };
    let look = registry.apply_namespace(&namespace("sidecar").unwrap());
    assert_eq!(look, [key()].into());
    assert_eq!(names(&decide(&registry)), [""; 0]);
    assert_eq!(
        registry.apply_namespace(&namespace("sidecar").unwrap()),
        Look::new()
    );
    assert_eq!(registry.reset_namespaces([].iter()), [key()].into());
    assert_eq!(names(&decide(&registry)), ["make"]);
}

#[test]
fn an_instance_of_a_person_is_kept_without_workloads_and_never_remade() {
    let mut registry = Registry::default();
    registry.apply_instance(instance(&json!({"strategy": "Deployment", "replicas": 3})));
    assert_eq!(names(&decide(&registry)), ["keep"]);
    let annotations = json!({"trilby.dev/mode": "shared-daemonset"});
    registry.apply_workload(workload(BoundKind::Deployment, "web", 0, &annotations));
    assert_eq!(names(&decide(&registry)), ["keep"]);
}

#[test]
fn an_instance_made_for_annotations_follows_them() {
    let mut registry = Registry::default();
    registry.apply_instance(managed(&json!({"strategy": "Deployment"})));
    let annotations = json!({"trilby.dev/mode": "shared-daemonset"});
    registry.apply_workload(workload(BoundKind::Deployment, "web", 0, &annotations));
    let decision = decide(&registry);
    assert_eq!(names(&decision), ["adjust", "keep"]);
}

#[rstest]
#[case::ours(json!([{"manager": "trilby-shared", "fieldsV1": {"f:spec": {"f:strategy": {}}}}]), true)]
#[case::a_persons(json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:strategy": {}}}}]), false)]
#[case::another_field(json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]), true)]
#[case::shared(
    json!([{"manager": "trilby-shared", "fieldsV1": {"f:spec": {"f:strategy": {}}}},
           {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:strategy": {}}}}]), false
)]
fn a_strategy_that_a_person_set_is_theirs(#[case] entries: Value, #[case] expected: bool) {
    let entries: Vec<ManagedFieldsEntry> = serde_json::from_value(entries).unwrap();
    assert_eq!(strategy_is_ours(&entries), expected);
}

#[test]
fn what_was_told_is_not_told_again() {
    let mut registry = Registry::default();
    registry.apply_instance(idle(Some(NOW), None));
    let decision = decide(&registry);
    let [Action::Tell { status, .. }] = decision.actions.as_slice() else {
        panic!("{decision:?}")
    };
    let mut told = idle(Some(NOW), None);
    told.status = Some((**status).clone());
    registry.apply_instance(told);
    assert_eq!(names(&decide(&registry)), [""; 0]);
}

#[test]
fn what_a_person_set_wins_over_the_workload() {
    let mut registry = Registry::default();
    registry.apply_workload(shared("web", 0));
    let spec = json!({
        "annotations": {"dapr.io/log-level": "debug", "dapr.io/app-port": "1"},
        "app": {"port": 9000, "protocol": "grpc"},
    });
    registry.apply_instance(instance(&spec));
    let plan = planned(decide(&registry));
    let expected = [
        ("dapr.io/app-port", "9000"),
        ("dapr.io/app-protocol", "grpc"),
        ("dapr.io/log-level", "debug"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(plan.settings, expected.into());
}

#[test]
fn of_workloads_that_differ_the_oldest_has_its_way() {
    let mut registry = Registry::default();
    registry.apply_workload(shared("old", 100));
    let annotations = json!({"trilby.dev/mode": "shared-daemonset", "dapr.io/app-port": "9"});
    registry.apply_workload(workload(BoundKind::StatefulSet, "new", 1, &annotations));
    registry.apply_workload(shared("same", 2));
    registry.apply_instance(managed(&json!({"strategy": "Deployment"})));
    for _ in 0..2 {
        let decision = decide(&registry);
        assert_eq!(names(&decision), ["keep"]);
        assert_eq!(reasons(&decision), [("new".to_owned(), "SettingsDiffer")]);
        let (status, reason, message) = condition(&decision, "Conflict");
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("True", "SettingsDiffer")
        );
        assert!(
            message.contains("Deployment/old and StatefulSet/new"),
            "{message}"
        );
        assert!(
            message.contains("dapr.io/app-port, trilby.dev/mode"),
            "{message}"
        );
        assert_eq!(planned(decision).settings["dapr.io/app-port"], "8080");
    }
}

#[rstest]
#[case::not_made(None, &[])]
#[case::not_changed(Some(managed(&json!({"strategy": "DaemonSet"}))), &["tell"])]
#[case::nor_a_persons(Some(instance(&json!({}))), &["tell"])]
fn sidecar_and_shared_at_once_are_refused(
    #[case] existing: Option<SharedInstance>,
    #[case] expected: &[&str],
) {
    let mut registry = Registry::default();
    registry.apply_workload(shared("web", 10));
    registry.apply_workload(sidecar("worker"));
    let told = existing.is_some();
    if let Some(existing) = existing {
        registry.apply_instance(existing);
    }
    let decision = decide(&registry);
    assert_eq!(names(&decision), expected);
    let about: Vec<String> = reasons(&decision)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(about[..2], ["web", "worker"]);
    assert_eq!(about.len(), if told { 3 } else { 2 });
    if told {
        let (status, reason, _) = condition(&decision, "Conflict");
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("True", "SidecarWithSameAppId")
        );
    }
    registry.delete_workload(sidecar("worker").key());
    assert!(reasons(&decide(&registry)).is_empty());
}

#[rstest]
#[case::mode(json!({"trilby.dev/mode": "shared"}), "UnknownMode", "shared-daemonset")]
#[case::app_id(
    json!({"trilby.dev/mode": "shared-deployment", "dapr.io/app-id": "A.b"}), "AppIdRefused", "A.b"
)]
#[case::no_app_id(
    json!({"trilby.dev/mode": "shared-deployment", "dapr.io/app-id": ""}), "AppIdRefused",
    "set dapr.io/app-id"
)]
fn mistakes_are_told_with_their_remedy(
    #[case] annotations: Value,
    #[case] reason: &str,
    #[case] says: &str,
) {
    let mut registry = Registry::default();
    let look = registry.apply_workload(workload(BoundKind::Job, "run", 0, &annotations));
    let app = look.first().unwrap();
    let decision = registry.decide(app, at(NOW));
    assert_eq!(names(&decision), [""; 0]);
    let [notice] = decision.notices.as_slice() else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (notice.reason, notice.regarding.kind.as_deref()),
        (reason, Some("Job"))
    );
    assert!(notice.note.contains(says), "{}", notice.note);
}

fn idle(since: Option<i64>, after: Option<&str>) -> SharedInstance {
    let mut spec = json!({});
    if let Some(after) = after {
        spec = json!({"idle": {"after": after}});
    }
    let mut instance = managed(&spec);
    let since = since.map(|seconds| json!({"idleSince": at(seconds).to_string()}));
    instance.status = since.map(|status| serde_json::from_value(status).unwrap());
    instance
}

#[rstest]
#[case::begins(None, None, &["tell"], Some(600))]
#[case::goes_on(Some(NOW - 599), None, &["tell"], Some(1))]
#[case::ends(Some(NOW - 600), None, &["collect"], None)]
#[case::own_time(Some(NOW - 600), Some("11m"), &["tell"], Some(60))]
#[case::at_once(None, Some("0s"), &["collect"], None)]
fn an_instance_that_nothing_uses_is_collected_in_time(
    #[case] since: Option<i64>,
    #[case] after: Option<&str>,
    #[case] expected: &[&str],
    #[case] again: Option<i64>,
) {
    let mut registry = Registry::default();
    registry.apply_instance(idle(since, after));
    let decision = decide(&registry);
    assert_eq!(names(&decision), expected);
    assert_eq!(decision.again.map(|left| left.as_secs()), again);
    if let Some(Action::Tell { status, .. }) = decision.actions.first() {
        assert_eq!(
            status.idle_since.as_ref().unwrap().0,
            at(since.unwrap_or(NOW))
        );
    }
}

#[test]
fn pods_and_workloads_keep_an_instance() {
    let mut registry = Registry::default();
    registry.apply_instance(idle(Some(0), None));
    registry.apply_pod(&pod("run-1", 5));
    let decision = decide(&registry);
    assert_eq!(names(&decision), ["tell"]);
    let Action::Tell { status, .. } = &decision.actions[0] else {
        panic!("{decision:?}")
    };
    assert_eq!((status.bound_pods, &status.idle_since), (Some(1), &None));
    registry.delete_pod(&pod("run-1", 5));
    assert_eq!(names(&decide(&registry)), ["collect"]);
    registry.apply_workload(shared("web", 0));
    assert_eq!(names(&decide(&registry)), ["keep"]);
}

#[test]
fn sidecars_that_took_over_end_the_instance_at_once() {
    let mut registry = Registry::default();
    registry.apply_instance(managed(&json!({})));
    registry.apply_workload(sidecar("web"));
    registry.apply_pod(&pod("web-1", 5));
    assert_eq!(names(&decide(&registry)), ["tell"]);
    registry.delete_pod(&pod("web-1", 5));
    assert_eq!(names(&decide(&registry)), ["collect"]);
}

#[test]
fn of_two_instances_for_an_app_the_older_is_it() {
    let mut registry = Registry::default();
    let mut younger = named("another", &json!({"appId": "checkout"}));
    younger.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(9)));
    registry.apply_instance(younger);
    registry.apply_instance(instance(&json!({})));
    let decision = decide(&registry);
    assert_eq!(names(&decision), ["keep", "tell"]);
    assert_eq!(reasons(&decision), [("another".to_owned(), "AppIdTaken")]);
    let (status, reason, _) = condition(&decision, "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "AppIdTaken"));
}

#[test]
fn an_instance_that_is_leaving_is_left_alone() {
    let mut registry = Registry::default();
    let mut leaving = instance(&json!({}));
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    registry.apply_instance(leaving);
    registry.apply_workload(shared("web", 0));
    assert_eq!(names(&decide(&registry)), [""; 0]);
}

/// As a sidecar would have them from its pod.
#[test]
fn pods_of_instances_are_pulled_and_placed_like_those_of_the_app() {
    let like = |strategy: &str, spec: &Value| {
        let mut registry = Registry::default();
        let mut web = shared("web", 10);
        web.pods = Pods::read(&json!({
            "imagePullSecrets": [{"name": "registry"}], "priorityClassName": "high",
            "tolerations": [{"key": "gpu"}], "nodeSelector": {"zone": "a"},
        }));
        registry.apply_workload(web);
        let mut said = json!({"strategy": strategy});
        for (key, value) in spec.as_object().unwrap() {
            said[key] = value.clone();
        }
        registry.apply_instance(instance(&said));
        let spec = template(&planned(registry.decide(&key(), at(1_000_000))))
            .spec
            .unwrap();
        serde_json::to_value(spec).unwrap()
    };
    let spec = like("DaemonSet", &json!({}));
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(spec["priorityClassName"], "high");
    assert_eq!(spec["tolerations"], json!([{"key": "gpu"}]));
    assert_eq!(spec["nodeSelector"]["zone"], "a");
    let spec = like(
        "Deployment",
        &json!({"imagePullSecrets": [{"name": "own"}], "tolerations": []}),
    );
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "own"}]));
    assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(spec.get("tolerations"), None);
}
