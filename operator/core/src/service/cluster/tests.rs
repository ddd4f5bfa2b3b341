use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::service::WorkloadSpec;

const SETTINGS: Settings = Settings { mtls: true };

fn workload(name: &str, created: &str, annotations: &Value) -> Workload {
    let metadata = json!({
        "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": created,
    });
    let spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"annotations": annotations}},
    });
    let spec: WorkloadSpec = serde_json::from_value(spec).unwrap();
    let metadata = serde_json::from_value(metadata).unwrap();
    Workload::new(WorkloadKind::Deployment, metadata, spec).unwrap()
}

fn annotated(name: &str) -> Workload {
    workload(
        name,
        "2026-01-01T00:00:00Z",
        &json!({"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"}),
    )
}

fn key() -> Key {
    Key {
        namespace: "shop".into(),
        name: "checkout-dapr".into(),
    }
}

fn service_of(action: Action) -> Service {
    let Action::Apply(service) = action else {
        panic!("{action:?}")
    };
    *service
}

/// A cluster in which the Service of a workload was applied and seen.
fn settled(name: &str) -> Cluster {
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    cluster.apply_workload(annotated(name));
    apply(&mut cluster);
    cluster
}

fn apply(cluster: &mut Cluster) {
    let service = service_of(cluster.decide(&key()));
    cluster.applied(key(), service.clone());
    let mut seen = service;
    seen.metadata.uid = Some("service-uid".to_owned());
    cluster.apply_service(seen);
}

#[test]
fn an_annotated_workload_gets_a_service() {
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    let (look, invalid) = cluster.apply_workload(annotated("web"));
    assert_eq!((look, invalid), (BTreeSet::from([key()]), None));
    let action = cluster.decide(&key());
    assert!(matches!(action, Action::Apply(_)));
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "checkout-dapr",
            "namespace": "shop",
            "labels": {"dapr.io/enabled": "true"},
            "annotations": {
                "dapr.io/app-id": "checkout",
                "prometheus.io/probe": "true",
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "9090",
                "prometheus.io/path": "/",
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web",
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {"app": "web"},
            "ports": [
                {"name": "dapr-http", "protocol": "TCP", "port": 80, "targetPort": 3500, "appProtocol": "http"},
                {"name": "dapr-grpc", "protocol": "TCP", "port": 50001, "targetPort": 50001, "appProtocol": "grpc"},
                {"name": "dapr-internal", "protocol": "TCP", "port": 50002, "targetPort": 50002, "appProtocol": "tls"},
                {"name": "dapr-metrics", "protocol": "TCP", "port": 9090, "targetPort": 9090, "appProtocol": "http"},
            ],
        },
    });
    assert_eq!(serde_json::to_value(service_of(action)).unwrap(), expected);
}

#[rstest]
#[case(json!({"dapr.io/grpc-port": "51001"}), "dapr-grpc", 51001)]
#[case(json!({"dapr.io/grpc-port": "abc"}), "dapr-grpc", 50001)]
#[case(json!({"dapr.io/grpc-port": ""}), "dapr-grpc", 50001)]
#[case(json!({"dapr.io/internal-grpc-port": "51002"}), "dapr-internal", 51002)]
#[case(json!({"dapr.io/metrics-port": "9191", "dapr.io/enable-metrics": "false"}), "dapr-metrics", 9191)]
#[case(json!({"dapr.io/http-port": "3600"}), "dapr-http", 80)]
fn ports_follow_annotations(#[case] further: Value, #[case] name: &str, #[case] expected: i32) {
    let ports = with(&further, SETTINGS).spec.unwrap().ports.unwrap();
    let port = ports
        .iter()
        .find(|port| port.name.as_deref() == Some(name))
        .unwrap();
    assert_eq!(port.port, expected);
}

fn with(further: &Value, settings: Settings) -> Service {
    let mut annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"});
    let fields = annotations.as_object_mut().unwrap();
    fields.extend(further.as_object().unwrap().clone());
    wanted(
        &workload("web", "2026-01-01T00:00:00Z", &annotations),
        settings,
    )
    .unwrap()
    .unwrap()
}

#[rstest]
#[case(" a = b , c=d=e,=f,g, dapr.io/app-id=x, a=z", &[("a", "b"), ("c", "d=e")])]
#[case("prometheus.io/port=1, dapr.io/other=y", &[("dapr.io/other", "y"), ("prometheus.io/port", "9090")])]
fn further_annotations_never_replace(#[case] text: &str, #[case] expected: &[(&str, &str)]) {
    let service = with(&json!({"dapr.io/sidecar-svc-annotations": text}), SETTINGS);
    let annotations = service.metadata.annotations.unwrap();
    for (key, value) in expected {
        assert_eq!(annotations[*key], *value);
    }
    assert_eq!(annotations["dapr.io/app-id"], "checkout");
    assert!(annotations.keys().all(|key| !key.is_empty()));
}

#[test]
fn without_metrics_their_annotations_are_free() {
    let further = json!({
        "dapr.io/enable-metrics": "no",
        "dapr.io/sidecar-svc-annotations": "prometheus.io/port=1",
    });
    let annotations = with(&further, SETTINGS).metadata.annotations.unwrap();
    assert_eq!(annotations["prometheus.io/port"], "1");
    assert!(!annotations.contains_key("prometheus.io/scrape"));
}

#[test]
fn without_mtls_the_internal_port_is_plain() {
    let ports = with(&json!({}), Settings { mtls: false })
        .spec
        .unwrap()
        .ports
        .unwrap();
    assert_eq!(ports[2].app_protocol.as_deref(), Some("grpc"));
}

#[rstest]
#[case("")]
#[case("Checkout")]
#[case("-checkout")]
#[case("check.out")]
#[case(&"a".repeat(59))]
fn unfit_app_ids_are_reported(#[case] app_id: &str) {
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": app_id});
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    let (look, invalid) =
        cluster.apply_workload(workload("web", "2026-01-01T00:00:00Z", &annotations));
    assert!(look.is_empty());
    assert!(
        invalid
            .unwrap()
            .to_string()
            .contains(&format!("{app_id:?}"))
    );
}

#[test]
fn longest_app_id_fits() {
    assert_eq!(
        with(&json!({"dapr.io/app-id": "a".repeat(58)}), SETTINGS)
            .metadata
            .name
            .unwrap()
            .len(),
        63
    );
}

#[test]
fn a_settled_service_is_left_alone() {
    let mut cluster = settled("web");
    assert_eq!(cluster.decide(&key()), Action::Leave);
    let (look, _) = cluster.apply_workload(annotated("web"));
    assert!(look.iter().all(|key| cluster.decide(key) == Action::Leave));
}

#[test]
fn what_others_added_is_left_alone() {
    let mut cluster = settled("web");
    let mut seen = cluster.services[&key()].clone();
    seen.metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("mesh".to_owned(), "on".to_owned());
    cluster.apply_service(seen);
    assert_eq!(cluster.decide(&key()), Action::Leave);
}

#[test]
fn what_others_changed_is_set_right() {
    let mut cluster = settled("web");
    let mut seen = cluster.services[&key()].clone();
    seen.spec.as_mut().unwrap().ports.as_mut().unwrap().pop();
    cluster.apply_service(seen);
    assert!(matches!(cluster.decide(&key()), Action::Apply(_)));
}

#[test]
fn a_new_leader_applies_once() {
    let mut cluster = settled("web");
    cluster.applied.clear();
    assert!(matches!(cluster.decide(&key()), Action::Apply(_)));
}

#[test]
fn a_deleted_service_comes_back() {
    let mut cluster = settled("web");
    let seen = cluster.services[&key()].clone();
    assert_eq!(cluster.delete_service(&seen), Some(key()));
    assert!(matches!(cluster.decide(&key()), Action::Apply(_)));
}

#[rstest]
#[case(json!({}))]
#[case(json!({"dapr.io/enabled": "false", "dapr.io/app-id": "checkout"}))]
#[case(json!({"dapr.io/enabled": "true", "dapr.io/app-id": "other"}))]
fn a_service_goes_when_nobody_wants_it(#[case] annotations: Value) {
    let mut cluster = settled("web");
    let (look, _) = cluster.apply_workload(workload("web", "2026-01-01T00:00:00Z", &annotations));
    assert!(look.contains(&key()));
    let expected = Action::Delete {
        uid: "service-uid".to_owned(),
        app_id: "checkout".to_owned(),
    };
    assert_eq!(cluster.decide(&key()), expected);
}

#[test]
fn a_service_left_over_from_before_goes_in_any_order_of_lists() {
    let seen = settled("web").services.remove(&key()).unwrap();
    let plain = workload("web", "2026-01-01T00:00:00Z", &json!({}));
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    cluster.reset_services(vec![seen]);
    assert_eq!(cluster.decide(&key()), Action::Leave);
    let (look, _) = cluster.reset_workloads(WorkloadKind::Deployment, vec![plain]);
    assert_eq!(look, BTreeSet::from([key()]));
    assert!(matches!(cluster.decide(&key()), Action::Delete { .. }));
}

#[test]
fn a_service_whose_owner_is_gone_is_for_the_garbage_collector() {
    let mut cluster = settled("web");
    let (look, _) = cluster.reset_workloads(WorkloadKind::Deployment, Vec::new());
    assert_eq!(look, BTreeSet::from([key()]));
    assert_eq!(cluster.decide(&key()), Action::Leave);
}

#[test]
fn a_service_of_someone_else_is_left_alone() {
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    cluster.apply_workload(annotated("web"));
    let metadata = json!({"metadata": {"name": "checkout-dapr", "namespace": "shop"}});
    cluster.apply_service(serde_json::from_value(metadata).unwrap());
    assert_eq!(cluster.decide(&key()), Action::Leave);
}

#[test]
fn two_workloads_never_fight() {
    let mut cluster = settled("web");
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"});
    cluster.apply_workload(workload("older", "2025-01-01T00:00:00Z", &annotations));
    assert_eq!(cluster.decide(&key()), Action::Leave);
    let seen = cluster.services[&key()].clone();
    cluster.delete_service(&seen);
    let owner = service_of(cluster.decide(&key()))
        .metadata
        .owner_references
        .unwrap();
    assert_eq!(owner[0].name, "older");
}

#[test]
fn who_goes_without_is_told_why() {
    let mut cluster = settled("first");
    assert_eq!(cluster.losers(&key()), []);
    cluster.apply_workload(annotated("second"));
    let losers = cluster.losers(&key());
    assert_eq!(losers[0].owner.name, "second");
    let reason = &losers[0].reason;
    assert!(reason.starts_with("Deployment first has"), "{reason}");
    assert!(reason.contains("Service checkout-dapr"), "{reason}");
    let first = annotated("first").key().clone();
    cluster.delete_workload(&first);
    assert_eq!(cluster.losers(&key()), []);
}

#[test]
fn a_workload_on_its_way_out_wants_nothing() {
    let metadata = json!({
        "name": "web", "namespace": "shop", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z",
    });
    let spec = json!({"template": {"metadata": {"annotations": {"dapr.io/enabled": "true"}}}});
    let spec: WorkloadSpec = serde_json::from_value(spec).unwrap();
    let metadata = serde_json::from_value(metadata).unwrap();
    let workload = Workload::new(WorkloadKind::StatefulSet, metadata, spec).unwrap();
    assert_eq!(wanted(&workload, SETTINGS), Ok(None));
}

fn in_mode(mode: &str) -> Workload {
    let annotations = json!({
        "dapr.io/enabled": "true", "dapr.io/app-id": "checkout", "trilby.dev/mode": mode,
    });
    workload("web", "2026-01-01T00:00:00Z", &annotations)
}

#[rstest]
#[case("sidecar", true)]
#[case("shared-deployment", false)]
#[case("shared-daemonset", false)]
#[case("unknown", false)]
fn workloads_that_share_an_instance_get_no_service(#[case] mode: &str, #[case] expected: bool) {
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    cluster.apply_workload(in_mode(mode));
    assert_eq!(cluster.decide(&key()) != Action::Leave, expected);
}

#[test]
fn a_workload_that_begins_to_share_gives_up_its_service() {
    let mut cluster = settled("web");
    assert_eq!(
        cluster.apply_workload(in_mode("shared-deployment")).0,
        BTreeSet::from([key()])
    );
    assert!(matches!(cluster.decide(&key()), Action::Delete { .. }));
}

#[test]
fn a_namespace_that_begins_to_share_gives_up_its_services() {
    let mut cluster = settled("web");
    let shared = || Some("shared-deployment".to_owned());
    assert_eq!(cluster.apply_namespace("other", shared()), BTreeSet::new());
    assert_eq!(
        cluster.apply_namespace("shop", shared()),
        BTreeSet::from([key()])
    );
    assert_eq!(cluster.apply_namespace("shop", shared()), BTreeSet::new());
    assert!(matches!(cluster.decide(&key()), Action::Delete { .. }));
    assert_eq!(cluster.reset_namespaces(vec![]), BTreeSet::from([key()]));
    assert_eq!(cluster.decide(&key()), Action::Leave);
}

#[test]
fn pods_of_an_instance_get_no_service_here() {
    let metadata = json!({"name": "checkout-shared", "namespace": "shop", "uid": "u"});
    let spec = json!({"template": {"metadata": {
        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"},
        "labels": {"trilby.dev/instance": "checkout"},
    }}});
    let metadata = serde_json::from_value(metadata).unwrap();
    let spec: WorkloadSpec = serde_json::from_value(spec).unwrap();
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    let instance = Workload::new(WorkloadKind::Deployment, metadata, spec).unwrap();
    assert_eq!(cluster.apply_workload(instance).0, BTreeSet::new());
}

#[test]
fn the_service_of_an_instance_is_left_alone() {
    let mut cluster = Cluster::new(SETTINGS, Modes::default());
    let service = json!({"metadata": {
        "name": "checkout-dapr", "namespace": "shop", "uid": "s",
        "labels": {"dapr.io/enabled": "true", "trilby.dev/instance": "checkout"},
        "annotations": {"dapr.io/app-id": "checkout"},
    }});
    cluster.apply_service(serde_json::from_value(service).unwrap());
    cluster.apply_workload(annotated("web"));
    assert_eq!(cluster.decide(&key()), Action::Leave);
}
