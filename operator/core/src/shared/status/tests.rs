use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::shared::fixtures::{at, key, planned, shared};
use crate::shared::{Outcome, Registry, Seen, fixtures};

fn outcome() -> Outcome {
    Outcome {
        domain: "cluster.local".to_owned(),
        ..Outcome::default()
    }
}

/// A plan for an instance with a workload, a Deployment of that status, and endpoints of the app.
fn plan(spec: &Value, deployment: Option<&Value>, ready: &[bool]) -> Plan {
    let mut registry = Registry::default();
    registry.apply_workload(shared("web", 10));
    registry.apply_instance(fixtures::instance(spec));
    if let Some(deployment) = deployment {
        let mut object = deployment.clone();
        object["metadata"] = json!({
            "name": "checkout-shared", "namespace": "shop", "uid": "d",
            "labels": {"trilby.dev/instance": "checkout"},
        });
        let kind = crate::shared::ObjectKind::Deployment;
        let (app, key, seen) = Seen::read(kind, &object).unwrap();
        registry.apply_object(app, key, seen);
    }
    let endpoints = ready
        .iter()
        .map(|ready| json!({"addresses": [], "conditions": {"ready": ready}}));
    let slice = json!({
        "metadata": {"name": "s", "namespace": "shop", "labels": {
            "trilby.dev/instance": "checkout", "kubernetes.io/service-name": "checkout-shared-app",
        }},
        "addressType": "IPv4", "endpoints": endpoints.collect::<Vec<_>>(),
    });
    registry.apply_slice(&serde_json::from_value(slice).unwrap());
    planned(registry.decide(&key(), at(1_000_000)))
}

fn condition(status: &SharedInstanceStatus, type_: &str) -> (String, String, String) {
    let conditions = status.conditions.as_ref().unwrap();
    let found = conditions.iter().find(|one| one.type_ == type_).unwrap();
    (
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    )
}

#[rstest]
#[case::not_yet(None, "False", "Starting")]
#[case::on_the_way(Some(json!({"spec": {"replicas": 1}})), "False", "InstancesNotReady")]
#[case::none(Some(json!({"spec": {"replicas": 0}})), "False", "NoInstances")]
#[case::ready(Some(json!({"spec": {"replicas": 2}, "status": {"readyReplicas": 1}})), "True", "InstancesReady")]
fn readiness_is_that_of_the_instances(
    #[case] deployment: Option<Value>,
    #[case] status: &str,
    #[case] reason: &str,
) {
    let told = plan(&json!({}), deployment.as_ref(), &[]).status(&outcome(), at(5));
    let (is, why, _) = condition(&told, "Ready");
    assert_eq!((is.as_str(), why.as_str()), (status, reason));
}

#[rstest]
#[case::none(json!({}), &[], "False", "NoReadyPod")]
#[case::unready(json!({}), &[false], "False", "NoReadyPod")]
#[case::ready(json!({}), &[false, true], "True", "PodsReady")]
#[case::no_app(json!({"annotations": {"dapr.io/app-port": "0"}}), &[], "False", "NoApp")]
#[case::elsewhere(json!({"app": {"host": "legacy.example", "port": 80}}), &[], "Unknown", "Elsewhere")]
fn readiness_of_the_app_is_another_thing(
    #[case] spec: Value,
    #[case] ready: &[bool],
    #[case] status: &str,
    #[case] reason: &str,
) {
    let told = plan(&spec, None, ready).status(&outcome(), at(5));
    let (is, why, message) = condition(&told, "AppReady");
    assert_eq!((is.as_str(), why.as_str()), (status, reason));
    assert!(!message.is_empty());
}

#[test]
fn instances_that_speak_tls_are_told_as_such() {
    let outcome = Outcome {
        tls: true,
        ..outcome()
    };
    let told = plan(&json!({}), None, &[]).status(&outcome, at(5));
    let urls = told.urls.unwrap();
    let host = "https://checkout-shared.shop.svc.cluster.local";
    assert_eq!(urls.http.unwrap(), format!("{host}:3500"));
    assert_eq!(urls.grpc.unwrap(), format!("{host}:50001"));
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let deployment = json!({"spec": {"replicas": 1}});
    let spec = json!({"annotations": {"dapr.io/config": "tracing"}});
    let plan = plan(&spec, Some(&deployment), &[]);
    assert_eq!(plan.lacks_configuration(true), None);
    let outcome = Outcome {
        warnings: plan.lacks_configuration(false).into_iter().collect(),
        ..outcome()
    };
    let (_, _, message) = condition(&plan.status(&outcome, at(5)), "Ready");
    assert!(
        message.starts_with("dapr.io/config: there is no Configuration \"tracing\""),
        "{message}"
    );
    assert!(message.contains("shows how far they are"), "{message}");
}

#[test]
fn numbers_names_and_places_are_told() {
    let deployment = json!({"spec": {"replicas": 2}, "status": {"readyReplicas": 1}});
    let told = plan(&json!({}), Some(&deployment), &[]).status(&outcome(), at(5));
    assert_eq!(told.observed_generation, Some(3));
    assert_eq!(
        (told.ready_instances, told.desired_instances),
        (Some(1), Some(2))
    );
    assert_eq!(told.bound_workloads.unwrap(), ["Deployment/web"]);
    assert_eq!(
        told.urls.unwrap().grpc.unwrap(),
        "http://checkout-shared.shop.svc.cluster.local:50001"
    );
}

#[test]
fn what_stands_in_the_way_is_named() {
    let mut outcome = outcome();
    outcome.blocked = vec!["Service checkout-shared".to_owned()];
    let told = plan(&json!({}), None, &[]).status(&outcome, at(5));
    assert_eq!(condition(&told, "Ready").1, "NameTaken");
    outcome.refused = Some("the image has no name".to_owned());
    let told = plan(&json!({}), None, &[]).status(&outcome, at(5));
    let (status, reason, message) = condition(&told, "Conflict");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NameTaken"));
    assert!(
        message.contains("Service checkout-shared; delete"),
        "{message}"
    );
    let (status, _, message) = condition(&told, "Ready");
    assert_eq!(
        (status.as_str(), message.as_str()),
        ("False", "the image has no name")
    );
}

#[test]
fn a_condition_keeps_the_time_of_its_change() {
    let first = plan(&json!({}), None, &[]).status(&outcome(), at(5));
    let times = |status: &SharedInstanceStatus| {
        let all = status.conditions.clone().unwrap().into_iter();
        all.map(|one| (one.type_, one.last_transition_time.0))
            .collect::<Vec<_>>()
    };
    let mut later = plan(&json!({}), None, &[true]);
    later.facts.previous = first.clone();
    let second = later.status(&outcome(), at(9));
    let changed = |name: &str| {
        let second = times(&second);
        second
            .into_iter()
            .find(|(type_, _)| type_ == name)
            .unwrap()
            .1
    };
    assert_eq!(changed("AppReady"), at(9));
    assert_eq!((changed("Ready"), changed("Conflict")), (at(5), at(5)));
}
