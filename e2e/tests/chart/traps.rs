//! What hurts users of Dapr's chart, made to happen here.

use rstest::rstest;
use serde_json::Value;

use crate::{named, objects, of_kind, parsed, render, workloads};

/// The `dapr` command sets both at every install and upgrade, and forgets all other values.
#[test]
fn registry_and_tag_do_not_move_the_images_that_are_dapr_s() {
    let objects = objects(&[
        "global.registry=registry.example",
        "global.tag=9.9.9",
        "global.scheduler.enabled=true",
    ]);
    let images: Vec<&str> = workloads(&objects)
        .into_iter()
        .filter_map(|one| one["spec"]["template"]["spec"]["containers"][0]["image"].as_str())
        .collect();
    for ours in ["operator", "sentry", "injector", "placement"] {
        let wanted = format!("registry.example/{ours}:9.9.9");
        assert!(images.contains(&&*wanted), "{wanted}: {images:?}");
    }
    assert!(
        images.contains(&"ghcr.io/dapr/scheduler:1.18.2"),
        "{images:?}"
    );
    let settings = named(&objects, "ConfigMap", "dapr-sidecar-settings");
    assert_eq!(
        settings["data"]["SIDECAR_IMAGE"],
        "ghcr.io/dapr/daprd:1.18.2"
    );
}

/// `dapr renew-certificate` fetches the chart of the version that it reads from the operator's
/// image. One that Dapr published too would be Dapr's chart.
#[test]
fn the_version_is_none_of_dapr_s() {
    let objects = objects(&[]);
    let image =
        named(&objects, "Deployment", "dapr-operator")["spec"]["template"]["spec"]["containers"][0]
            ["image"]
            .as_str()
            .unwrap()
            .to_owned();
    let (_, tag) = image.rsplit_once(':').unwrap();
    let label = &objects[0]["metadata"]["labels"]["app.kubernetes.io/version"];
    assert_eq!(label, tag);
    assert!(tag.starts_with("1.18.2-trilby."), "{tag}");
    let chart = std::fs::read_to_string(crate::workspace().join("charts/dapr/Chart.yaml"));
    let chart: Value = config::yaml::from_str(&chart.unwrap()).unwrap();
    assert_eq!((&chart["version"], &chart["appVersion"]), (label, label));
    // The programs mark what they make by it, definitions above all.
    assert_eq!(label, env!("CARGO_PKG_VERSION"));
}

/// Helm leaves alone what no manifest ever had; a bundle of its own would replace the controllers'.
#[test]
fn no_manifest_has_a_certificate() {
    let rendered = render(&["--set", "global.scheduler.enabled=true"]).unwrap();
    assert!(!rendered.contains("BEGIN"));
    let objects = parsed(&rendered);
    let with_bundle = objects
        .iter()
        .find(|one| one.to_string().contains("\"caBundle\""));
    assert!(with_bundle.is_none(), "{with_bundle:?}");
    for kind in ["Secret", "ConfigMap"] {
        let bundle = named(&objects, kind, "dapr-trust-bundle");
        assert!(bundle["data"].is_null(), "{bundle}");
        assert_eq!(
            bundle["metadata"]["annotations"]["helm.sh/resource-policy"],
            "keep"
        );
    }
}

/// The `dapr` command takes the first container for the service.
#[rstest]
fn extra_containers_come_after_the_service(
    #[values("operator", "sentry", "injector", "placement", "scheduler")] service: &str,
) {
    let extra = format!("global.extraContainers.{service}[0].name=extra");
    let objects = objects(&[&extra, "global.scheduler.enabled=true"]);
    let with_two: Vec<_> = workloads(&objects)
        .into_iter()
        .filter(|one| !one["spec"]["template"]["spec"]["containers"][1].is_null())
        .collect();
    assert_eq!(with_two.len(), 1);
    let containers = &with_two[0]["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["name"], with_two[0]["metadata"]["name"]);
    assert_eq!(containers[1]["name"], "extra");
}

#[test]
fn disruption_budgets_hold_for_both_versions_of_an_update_and_have_one_bound() {
    let objects = objects(&[
        "global.ha.enabled=true",
        "global.scheduler.enabled=true",
        "global.labels.team=x",
        "global.ha.disruption.minimumAvailable=2",
    ]);
    let budgets = of_kind(&objects, "PodDisruptionBudget");
    assert_eq!(budgets.len(), 5);
    for budget in budgets {
        let selector = budget["spec"]["selector"]["matchLabels"].as_object();
        let keys: Vec<_> = selector.unwrap().keys().collect();
        assert_eq!(keys, ["app"]);
        assert!(budget["spec"]["maxUnavailable"].is_null(), "{budget}");
        assert_eq!(budget["spec"]["minAvailable"], 2);
    }
}

/// A claim in a StatefulSet can't be added, taken away or changed.
#[rstest]
fn placement_has_no_disk_that_stands_in_the_way_of_ha(#[values("false", "true")] ha: &str) {
    let objects = objects(&[&format!("global.ha.enabled={ha}")]);
    let placement = named(&objects, "StatefulSet", "dapr-placement-server");
    assert!(placement["spec"]["volumeClaimTemplates"].is_null());
}

/// The value alone decides, with a cluster or without.
#[test]
fn the_scheduler_s_disk_is_what_the_value_says() {
    let objects = objects(&[
        "global.scheduler.enabled=true",
        "dapr_scheduler.cluster.storageSize=1Gi",
        "dapr_scheduler.cluster.storageClassName=fast",
    ]);
    let scheduler = named(&objects, "StatefulSet", "dapr-scheduler-server");
    let claim = &scheduler["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["metadata"]["name"], "dapr-scheduler-data-dir");
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi");
    assert_eq!(claim["spec"]["storageClassName"], "fast");
}

#[test]
fn namespaced_rights_are_whole_with_argo_too() {
    let objects = objects(&[
        "global.rbac.namespaced=true",
        "global.argoRolloutServiceReconciler.enabled=true",
        "global.scheduler.enabled=true",
    ]);
    let cluster: Vec<&Value> = of_kind(&objects, "ClusterRole");
    let names: Vec<_> = cluster
        .iter()
        .map(|one| one["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dapr-injector", "dapr-sentry"]);
    let bound =
        of_kind(&objects, "RoleBinding").len() + of_kind(&objects, "ClusterRoleBinding").len();
    let roles = of_kind(&objects, "Role");
    assert_eq!(bound, roles.len() + cluster.len());
    let operator = named(&objects, "Role", "dapr-operator").to_string();
    for resource in ["rollouts", "components", "deployments", "services"] {
        assert!(operator.contains(resource), "{resource}");
    }
    for role in roles.into_iter().chain(cluster) {
        for rule in role["rules"].as_array().unwrap() {
            let verbs = rule["verbs"].as_array().unwrap();
            assert!(!verbs.is_empty() && !rule["resources"].is_null(), "{rule}");
        }
    }
}

#[test]
fn one_value_says_what_the_cluster_s_domain_is() {
    let rendered = render(&[
        "--set",
        "global.dnsSuffix=.example.internal,global.ha.enabled=true,global.scheduler.enabled=true",
    ])
    .unwrap();
    let own = rendered.lines().filter(|line| line.contains(".svc."));
    let other: Vec<_> = own
        .filter(|line| line.contains("svc.cluster.local"))
        .collect();
    assert!(other.is_empty(), "{other:#?}");
    assert!(rendered.contains("dapr-sentry.dapr-system.svc.example.internal:443"));
    let settings = parsed(&rendered);
    let settings = named(&settings, "ConfigMap", "dapr-sidecar-settings");
    assert_eq!(settings["data"]["KUBE_CLUSTER_DOMAIN"], "example.internal");
}

#[test]
fn nobody_reads_secrets_of_a_namespace_unless_that_is_asked_for() {
    let bound = |values: &[&str]| {
        let objects = objects(values);
        named(&objects, "RoleBinding", "dapr-secret-reader").clone()
    };
    assert!(bound(&[]).is_null());
    let bound = bound(&[
        "dapr_rbac.secretReader.enabled=true",
        "dapr_rbac.secretReader.namespace=shop",
    ]);
    assert_eq!(bound["metadata"]["namespace"], "shop");
}

/// What an address or a port says reaches the process as well as the Service.
#[test]
fn ports_reach_the_process() {
    let objects = objects(&[
        "dapr_operator.ports.targetPort=6501",
        "dapr_sentry.ports.targetPort=50002",
        "dapr_placement.ports.apiPort=50006",
    ]);
    for (kind, name, port) in [
        ("Deployment", "dapr-operator", "6501"),
        ("Deployment", "dapr-sentry", "50002"),
        ("StatefulSet", "dapr-placement-server", "50006"),
    ] {
        let spec = named(&objects, kind, name)["spec"]["template"]["spec"]["containers"][0].clone();
        assert!(spec["args"].to_string().contains(port), "{spec}");
        assert!(spec["ports"].to_string().contains(port), "{spec}");
    }
}

/// One install of the `dapr` command's own tests counts so many pods.
#[rstest]
#[case("false", 4)]
#[case("true", 12)]
fn no_pod_but_the_services_runs_in_the_namespace(#[case] ha: &str, #[case] pods: u64) {
    let ha = format!("global.ha.enabled={ha}");
    let count = |values: &[&str]| -> u64 {
        let objects = objects(values);
        workloads(&objects)
            .iter()
            .map(|one| one["spec"]["replicas"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(count(&[&ha]), pods);
    assert_eq!(count(&[&ha, "global.scheduler.enabled=true"]), pods + 3);
}

/// The `dapr` command reads this field without asking whether it is there.
#[rstest]
fn the_default_configuration_says_whether_mtls_is_on(#[values("true", "false")] on: &str) {
    let objects = objects(&[&format!("global.mtls.enabled={on}")]);
    let configuration = named(&objects, "Configuration", "daprsystem");
    assert_eq!(configuration["spec"]["mtls"]["enabled"].to_string(), on);
}
