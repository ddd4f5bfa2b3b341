use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::shared::fixtures::{at, plan, template};
use crate::shared::{ENTROPY, Ledger, Seen, Step};

fn surroundings() -> Surroundings {
    Surroundings {
        mtls: true,
        kubernetes: (1, 36),
        secrets: false,
        configuration: None,
        revision: None,
        exclusive: ExclusiveBindings::default(),
    }
}

fn build(spec: &Value, surroundings: &Surroundings) -> Vec<Wanted> {
    let plan = plan(spec);
    let template = template(&plan);
    objects(&plan, template, surroundings).unwrap()
}

fn find<'a>(objects: &'a [Wanted], kind: ObjectKind, name: &str) -> Option<&'a Value> {
    let found = objects
        .iter()
        .find(|it| it.key.kind == kind && &*it.key.name == name);
    found.map(|wanted| &wanted.body)
}

fn get(objects: &[Wanted], kind: ObjectKind) -> Value {
    find(objects, kind, "checkout-shared").unwrap().clone()
}

fn labels() -> Value {
    json!({"trilby.dev/instance": "checkout"})
}

#[test]
fn every_object_belongs_to_the_instance() {
    let plan = plan(&json!({"autoscaling": {"min": 1, "max": 2}}));
    let mut all = objects(&plan, template(&plan), &surroundings()).unwrap();
    all.push(secret(&plan, &Tokens::new([[0; ENTROPY], [1; ENTROPY]], at(0))).unwrap());
    for Wanted { key, body } in &all {
        let resource = key.kind.resource();
        assert_eq!(body["apiVersion"], json!(resource.api_version()), "{key:?}");
        assert_eq!(body["kind"], json!(resource.kind));
        assert_eq!(body["metadata"]["namespace"], "shop");
        assert_eq!(
            body["metadata"]["labels"]["trilby.dev/instance"],
            "checkout"
        );
        let owner = &body["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], "uid-checkout");
        assert_eq!(
            (&owner["kind"], &owner["controller"]),
            (&json!("SharedInstance"), &json!(true))
        );
    }
    let kinds: BTreeSet<ObjectKind> = all.iter().map(|wanted| wanted.key.kind).collect();
    let expected = ObjectKind::ALL
        .into_iter()
        .filter(|kind| *kind != ObjectKind::DaemonSet);
    assert_eq!(kinds, expected.collect());
}

#[test]
fn a_new_instance_is_ready_before_an_old_one_goes() {
    let all = build(&json!({}), &surroundings());
    let spec = get(&all, ObjectKind::Deployment)["spec"].clone();
    assert_eq!(
        spec["strategy"]["rollingUpdate"],
        json!({"maxSurge": 1, "maxUnavailable": 0})
    );
    assert_eq!(
        (&spec["replicas"], &spec["minReadySeconds"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(spec["selector"]["matchLabels"], labels());
    assert_eq!(
        spec["template"]["metadata"]["labels"]["trilby.dev/instance"],
        "checkout"
    );
    assert_eq!(
        get(&all, ObjectKind::PodDisruptionBudget)["spec"]["maxUnavailable"],
        1
    );
    let all = build(&json!({"strategy": "DaemonSet"}), &surroundings());
    let spec = get(&all, ObjectKind::DaemonSet)["spec"].clone();
    assert_eq!(
        spec["updateStrategy"]["rollingUpdate"],
        json!({"maxSurge": 1, "maxUnavailable": 0})
    );
    assert_eq!(find(&all, ObjectKind::Deployment, "checkout-shared"), None);
    assert_eq!(
        find(&all, ObjectKind::PodDisruptionBudget, "checkout-shared"),
        None
    );
}

#[test]
fn instances_agree_on_a_leader_by_a_lease_and_may_write_no_other() {
    let routes = [("tick".to_owned(), "every/second".to_owned())];
    let surroundings = Surroundings {
        exclusive: ExclusiveBindings {
            routes: routes.into(),
            warnings: Vec::new(),
        },
        ..surroundings()
    };
    let all = build(&json!({}), &surroundings);
    let lease = get(&all, ObjectKind::Lease);
    assert_eq!(
        lease["metadata"]["annotations"]["trilby.dev/exclusive-bindings"],
        r#"{"tick":"every/second"}"#
    );
    // What the instances write there stays theirs.
    assert_eq!(lease["spec"], Value::Null);
    let rules = get(&all, ObjectKind::Role)["rules"].clone();
    let rule = rules
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["resources"][0] == "leases");
    let expected = json!({
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "resourceNames": ["checkout-shared"], "verbs": ["get", "list", "watch", "update"],
    });
    assert_eq!(*rule.unwrap(), expected);
    let elsewhere = build(
        &json!({"app": {"host": "shop.example", "port": 80}}),
        &surroundings,
    );
    assert!(find(&elsewhere, ObjectKind::Lease, "checkout-shared").is_some());
}

#[test]
fn another_revision_of_the_app_makes_new_pods() {
    let of = |revision: Option<&str>| {
        let surroundings = Surroundings {
            revision: revision.map(Into::into),
            ..surroundings()
        };
        let deployment = get(&build(&json!({}), &surroundings), ObjectKind::Deployment);
        deployment["spec"]["template"]["metadata"]["annotations"]["trilby.dev/app-revision"].clone()
    };
    assert_eq!((of(None), of(Some("a"))), (Value::Null, json!("a")));
}

#[test]
fn an_autoscaler_has_the_replicas_to_itself() {
    let spec = json!({"autoscaling": {"min": 2, "max": 6, "targetInFlight": 40}});
    let all = build(&spec, &surroundings());
    assert_eq!(
        get(&all, ObjectKind::Deployment)["spec"]["replicas"],
        Value::Null
    );
    let scaler = get(&all, ObjectKind::HorizontalPodAutoscaler)["spec"].clone();
    assert_eq!(
        (&scaler["minReplicas"], &scaler["maxReplicas"]),
        (&json!(2), &json!(6))
    );
    let metric = &scaler["metrics"][0]["pods"];
    assert_eq!(metric["metric"]["name"], "trilby_proxy_in_flight");
    assert_eq!(
        metric["target"],
        json!({"type": "AverageValue", "averageValue": "40"})
    );
}

#[rstest]
#[case("Deployment", (1, 36), json!("PreferSameZone"))]
#[case("Deployment", (1, 33), json!("PreferClose"))]
#[case("Deployment", (1, 30), json!(null))]
#[case("DaemonSet", (1, 36), json!("PreferSameNode"))]
#[case("DaemonSet", (1, 33), json!("PreferClose"))]
fn the_nearest_instance_is_preferred(
    #[case] strategy: &str,
    #[case] kubernetes: (u32, u32),
    #[case] expected: Value,
) {
    let surroundings = Surroundings {
        kubernetes,
        ..surroundings()
    };
    let all = build(&json!({"strategy": strategy}), &surroundings);
    let spec = get(&all, ObjectKind::Service)["spec"].clone();
    assert_eq!(spec["trafficDistribution"], expected);
    assert_eq!(spec["type"], "ClusterIP");
    let ports: Vec<_> = spec["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["port"])
        .collect();
    assert_eq!(ports, [&json!(3500), &json!(50001)]);
}

#[rstest]
#[case::bound(json!({}), Some(json!({"trilby.dev/bound-to": "checkout"})))]
#[case::selected(json!({"app": {"selector": {"app": "web"}}}), Some(json!({"app": "web"})))]
#[case::elsewhere(json!({"app": {"host": "legacy", "port": 80}}), None)]
#[case::none(json!({"annotations": {"dapr.io/app-port": "0"}}), None)]
fn the_apps_pods_have_a_service_and_proxies_may_follow_it(
    #[case] spec: Value,
    #[case] expected: Option<Value>,
) {
    let all = build(&spec, &surroundings());
    let service = find(&all, ObjectKind::Service, "checkout-shared-app");
    assert_eq!(service.map(|it| it["spec"]["selector"].clone()), expected);
    if let Some(service) = service {
        assert_eq!(service["spec"]["clusterIP"], "None");
        assert_eq!(service["spec"]["ports"][0]["port"], 8080);
    }
    let may_follow = get(&all, ObjectKind::Role)["rules"]
        .as_array()
        .is_some_and(|it| {
            it.iter()
                .any(|rule| rule["resources"][0] == "endpointslices")
        });
    assert_eq!(may_follow, expected.is_some());
}

#[test]
fn others_find_the_instances_as_they_find_sidecars() {
    let all = build(&json!({}), &surroundings());
    let service = find(&all, ObjectKind::Service, "checkout-dapr").unwrap();
    assert_eq!(service["metadata"]["labels"]["dapr.io/enabled"], "true");
    assert_eq!(service["spec"]["selector"], labels());
    assert_eq!(service["spec"]["ports"][2]["port"], 50002);
    assert_eq!(service["spec"]["ports"][2]["appProtocol"], "tls");
}

#[rstest]
#[case(false, &["endpointslices", "leases"])]
#[case(true, &["endpointslices", "leases", "secrets"])]
fn secrets_are_read_only_where_sidecars_could(#[case] secrets: bool, #[case] expected: &[&str]) {
    let all = build(
        &json!({}),
        &Surroundings {
            secrets,
            ..surroundings()
        },
    );
    let role = get(&all, ObjectKind::Role);
    let rules = role["rules"].as_array().unwrap();
    let resources: Vec<_> = rules
        .iter()
        .map(|rule| rule["resources"][0].as_str().unwrap())
        .collect();
    assert_eq!(resources, expected);
    assert!(
        rules
            .iter()
            .skip(2)
            .all(|rule| rule["verbs"] == json!(["get"]))
    );
    assert_eq!(
        get(&all, ObjectKind::ServiceAccount)["automountServiceAccountToken"],
        false
    );
}

#[test]
fn an_account_of_a_person_is_used_and_not_made() {
    let all = build(&json!({"serviceAccountName": "clerk"}), &surroundings());
    assert_eq!(
        find(&all, ObjectKind::ServiceAccount, "checkout-shared"),
        None
    );
    assert_eq!(
        get(&all, ObjectKind::RoleBinding)["subjects"][0]["name"],
        "clerk"
    );
    let pod = &get(&all, ObjectKind::Deployment)["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "clerk");
}

#[test]
fn only_bound_pods_reach_the_api() {
    let annotations = json!({"annotations": {"dapr.io/internal-grpc-port": "6000"}});
    let policy = get(
        &build(&annotations, &surroundings()),
        ObjectKind::NetworkPolicy,
    );
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], labels());
    let rules = policy["spec"]["ingress"].as_array().unwrap();
    let ports = |rule: &Value| -> Vec<i64> {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["port"].as_i64().unwrap())
            .collect()
    };
    let by_port = |port: i64| {
        rules
            .iter()
            .find(|rule| ports(rule).contains(&port))
            .unwrap()
    };
    for port in [3500, 50001] {
        let from = json!([{"podSelector": {"matchLabels": {"trilby.dev/bound-to": "checkout"}}}]);
        assert_eq!(by_port(port)["from"], from);
    }
    assert_eq!(by_port(6000)["from"], json!([{"namespaceSelector": {}}]));
    for port in [9090, 9091, 3511] {
        assert_eq!(by_port(port)["from"], Value::Null);
    }
    assert!(!rules.iter().any(|rule| ports(rule).contains(&3501)));
}

#[test]
fn another_configuration_makes_other_pods() {
    let pods = |digest: Option<&str>| {
        let configuration = digest.map(str::to_owned);
        let all = build(
            &json!({}),
            &Surroundings {
                configuration,
                ..surroundings()
            },
        );
        get(&all, ObjectKind::Deployment)["spec"]["template"].clone()
    };
    assert_ne!(pods(Some("a")), pods(Some("b")));
    assert_eq!(pods(Some("a")), pods(Some("a")));
    assert_eq!(
        pods(Some("a"))["metadata"]["annotations"]["trilby.dev/configuration"],
        "a"
    );
}

#[test]
fn the_secret_keeps_its_times() {
    let tokens = Tokens::new([[0; ENTROPY], [1; ENTROPY]], at(0));
    let wanted = secret(&plan(&json!({})), &tokens).unwrap();
    assert_eq!(&*wanted.key.name, "checkout-shared-token");
    let read: Secret = serde_json::from_value(wanted.body).unwrap();
    assert_eq!(Tokens::read(&read, Timestamp::MAX), Some(tokens));
}

proptest! {
    /// The same spec makes the same objects, and once they are there nothing is left to do.
    #[test]
    fn objects_are_settled_once_applied(
        daemon_set: bool, scaled: bool, selector: bool, secrets: bool, minor in 28..40_u32
    ) {
        let mut spec = json!({"strategy": if daemon_set { "DaemonSet" } else { "Deployment" }});
        if scaled && !daemon_set {
            spec["autoscaling"] = json!({"min": 1, "max": 3});
        }
        if selector {
            spec["app"] = json!({"selector": {"app": "web"}});
        }
        let surroundings = Surroundings { secrets, kubernetes: (1, minor), ..surroundings() };
        let app = crate::shared::fixtures::key();
        let (mut ledger, mut seen) = (Ledger::default(), std::collections::BTreeMap::new());
        for round in 0..2 {
            let steps = ledger.steps(&app, "uid-checkout", build(&spec, &surroundings), &seen);
            prop_assert!(round == 0 || steps.is_empty(), "{steps:?}");
            for step in steps {
                let Step::Apply { wanted, .. } = step else { panic!("{step:?}") };
                let became = Seen {
                    uid: "uid".into(), owner: Some("uid-checkout".into()), ..Seen::default()
                };
                seen.insert(wanted.key.clone(), became.clone());
                ledger.applied(&app, wanted, &became);
            }
        }
    }
}
