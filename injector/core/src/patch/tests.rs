use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    Defaults, Native,
    testing::{Injected, cluster, facts, injected, pod},
};

fn inject(pod: &Value) -> Injected {
    injected(pod, &cluster(), &facts(), &[])
}

fn paths(injected: &Injected) -> Vec<&str> {
    let operations = injected.patch.as_array().unwrap();
    assert!(operations.iter().all(|operation| operation["op"] == "add"));
    operations
        .iter()
        .map(|operation| operation["path"].as_str().unwrap())
        .collect()
}

const LABELS: [&str; 3] = [
    "/metadata/labels/dapr.io~1sidecar-injected",
    "/metadata/labels/dapr.io~1app-id",
    "/metadata/labels/dapr.io~1metrics-enabled",
];

#[test]
fn is_the_documented_patch() {
    let injected = inject(&pod(&[]));
    let mut expected = vec!["/spec/containers/-"];
    expected.extend(LABELS);
    expected.push("/spec/containers/0/env");
    assert_eq!(paths(&injected), expected);
    assert_eq!(
        injected.container("main")["env"],
        json!([{"name": "DAPR_HTTP_PORT", "value": "3500"},
            {"name": "DAPR_GRPC_PORT", "value": "50001"}, {"name": "APP_PROTOCOL", "value": "http"}])
    );
    assert_eq!(
        injected.pod["metadata"]["labels"],
        json!({"l": "1", "dapr.io/sidecar-injected": "true", "dapr.io/app-id": "app1",
            "dapr.io/metrics-enabled": "true"})
    );
}

#[rstest]
#[case(json!(null))]
#[case(json!([]))]
fn makes_what_it_appends_to(#[case] nothing: Value) {
    let mut pod = pod(&[
        ("enable-native-sidecar", "true"),
        ("unix-domain-socket-path", "/s"),
    ]);
    pod["metadata"]["labels"] = if nothing.is_null() {
        json!(null)
    } else {
        json!({})
    };
    for list in ["containers", "initContainers", "volumes"] {
        pod["spec"][list] = nothing.clone();
    }
    let injected = inject(&pod);
    let mut expected = vec![
        "/spec/containers",
        "/metadata/labels",
        "/spec/initContainers",
        "/spec/volumes",
        "/spec/initContainers/-",
    ];
    expected.extend(LABELS);
    assert_eq!(paths(&injected), expected);
    assert_eq!(
        injected.pod["spec"]["initContainers"][0]["restartPolicy"],
        "Always"
    );
}

#[test]
fn adds_the_token_of_the_identity() {
    let mut pod = pod(&[]);
    pod["spec"]["volumes"] = json!([{"name": "own"}]);
    let facts = Facts {
        identity_token: true,
        ..facts()
    };
    let injected = injected(&pod, &cluster(), &facts, &[]);
    assert_eq!(
        injected.patch[0],
        json!({"op": "add", "path": "/spec/volumes/-", "value": {"name": "dapr-identity-token",
            "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {
                "audience": "spiffe://cluster.local/ns/dapr-system/dapr-sentry",
                "expirationSeconds": 7200, "path": "token"}}]}}})
    );
    assert_eq!(
        injected.container("daprd")["volumeMounts"],
        json!([{"name": "dapr-identity-token", "readOnly": true,
            "mountPath": "/var/run/secrets/dapr.io/sentrytoken"}])
    );
}

#[test]
fn trusts_a_volume_of_the_same_name() {
    let mut pod = pod(&[("unix-domain-socket-path", "/s")]);
    pod["spec"]["volumes"] = json!([{"name": "dapr-unix-domain-socket", "hostPath": {}}]);
    let injected = inject(&pod);
    assert!(
        paths(&injected)
            .iter()
            .all(|path| !path.starts_with("/spec/volumes"))
    );
    let mount = json!([{"name": "dapr-unix-domain-socket", "mountPath": "/var/run/dapr-sockets"}]);
    assert_eq!(injected.container("daprd")["volumeMounts"], mount);
}

#[test]
fn keeps_the_variables_that_an_app_has() {
    let mut pod = pod(&[("app-protocol", "ftp")]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "DAPR_HTTP_PORT", "value": "1"}]);
    let injected = inject(&pod);
    assert_eq!(
        injected.container("main")["env"],
        json!([{"name": "DAPR_HTTP_PORT", "value": "1"}, {"name": "DAPR_GRPC_PORT", "value": "50001"}])
    );
}

#[rstest]
#[case::none(json!(null), Some(json!([{"name": "dapr-unix-domain-socket", "mountPath": "/s"}])))]
#[case::other(json!([{"name": "v", "mountPath": "/v"}]),
    Some(json!([{"name": "v", "mountPath": "/v"}, {"name": "dapr-unix-domain-socket", "mountPath": "/s"}])))]
#[case::same_path(json!([{"name": "v", "mountPath": "/s"}]), None)]
#[case::same_name(json!([{"name": "dapr-unix-domain-socket", "mountPath": "/t"}]), None)]
fn mounts_the_socket_into_apps(#[case] own: Value, #[case] expected: Option<Value>) {
    let mut pod = pod(&[("unix-domain-socket-path", "/s")]);
    pod["spec"]["containers"][0]["volumeMounts"] = own.clone();
    let injected = inject(&pod);
    assert_eq!(
        injected.container("main")["volumeMounts"],
        expected.unwrap_or(own)
    );
}

#[test]
fn mounts_volumes_of_the_pod_in_order() {
    let mut pod = pod(&[
        ("volume-mounts", "a:/a,gone:/gone"),
        ("volume-mounts-rw", "b:/b"),
        ("unix-domain-socket-path", "/s"),
        ("pluggable-components", "main"),
    ]);
    pod["spec"]["volumes"] = json!([{"name": "a"}, {"name": "b"}]);
    let injected = injected(
        &pod,
        &cluster(),
        &Facts {
            identity_token: true,
            ..facts()
        },
        &[],
    );
    let mounts = injected.container("daprd")["volumeMounts"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = mounts
        .iter()
        .map(|mount| mount["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "a",
            "b",
            "dapr-unix-domain-socket",
            "dapr-identity-token",
            "dapr-components-unix-domain-socket"
        ]
    );
    assert_eq!(
        (&mounts[0]["readOnly"], mounts[1].get("readOnly")),
        (&json!(true), None)
    );
    let warning = injected.warnings[0].as_str();
    assert!(
        warning.starts_with("dapr.io/volume-mounts: \"gone\" is no volume"),
        "{warning}"
    );
}

fn components(containers: &[(&str, &str)]) -> Vec<Component> {
    let component = |(name, container): &(&str, &str)| {
        json!({"metadata": {"name": name, "annotations": {"dapr.io/component-container": container}},
            "spec": {"newer": 1}})
    };
    containers
        .iter()
        .map(|one| serde_json::from_value(component(one)).unwrap())
        .collect()
}

#[test]
fn declared_components_get_the_sockets_only() {
    let mut pod = pod(&[
        ("pluggable-components", "comp"),
        ("unix-domain-socket-path", "/s"),
        ("pluggable-components-sockets-folder", "/own"),
    ]);
    pod["spec"]["containers"] = json!([{"name": "comp"}, {"name": "main"}]);
    let injected = inject(&pod);
    let component = injected.container("comp");
    assert_eq!(
        component["env"],
        json!([{"name": "DAPR_COMPONENT_SOCKETS_FOLDER", "value": "/own"}])
    );
    let mount = json!([{"name": "dapr-components-unix-domain-socket", "mountPath": "/own"}]);
    assert_eq!(component["volumeMounts"], mount);
    let volumes = json!([{"name": "dapr-unix-domain-socket", "emptyDir": {"medium": "Memory"}},
        {"name": "dapr-components-unix-domain-socket", "emptyDir": {}}]);
    assert_eq!(injected.pod["spec"]["volumes"], volumes);
}

#[test]
fn brings_component_containers_along() {
    let components = components(&[
        (
            "one",
            r#"{"image": "i1", "newer": {"x": 1}, "env": [{"name": "E"}],
            "volumeMounts": [{"name": "shared", "mountPath": "/x"}]}"#,
        ),
        (
            "two",
            r#"{"name": "named", "image": "i2", "volumeMounts": [{"name": "shared", "mountPath": "/y"}]}"#,
        ),
        ("same-image", r#"{"image": "i1"}"#),
    ]);
    let injected = injected(&pod(&[]), &cluster(), &facts(), &components);
    let one = injected.container("one");
    assert_eq!(one["newer"], json!({"x": 1}));
    assert_eq!(one["env"][1]["name"], "DAPR_COMPONENT_SOCKETS_FOLDER");
    assert_eq!(
        one["volumeMounts"][1]["name"],
        "dapr-components-unix-domain-socket"
    );
    assert_eq!(injected.container("named")["image"], "i2");
    assert_eq!(
        injected.pod["spec"]["containers"].as_array().unwrap().len(),
        4
    );
    let volumes = injected.pod["spec"]["volumes"].as_array().unwrap();
    assert_eq!(
        volumes
            .iter()
            .filter(|volume| volume["name"] == "shared")
            .count(),
        1
    );
    assert!(injected.warnings.is_empty());
}

#[rstest]
#[case::null("null")]
#[case::no_json("image: x")]
#[case::list("[]")]
#[case::types(r#"{"image": 5}"#)]
#[case::daprd(r#"{"name": "daprd", "image": "x"}"#)]
#[case::taken(r#"{"name": "main", "image": "x"}"#)]
fn leaves_odd_component_containers_out(#[case] container: &str) {
    let injected = injected(
        &pod(&[]),
        &cluster(),
        &facts(),
        &components(&[("c", container)]),
    );
    assert_eq!(
        injected.pod["spec"]["containers"].as_array().unwrap().len(),
        2
    );
    assert!(
        injected.warnings[0]
            .as_str()
            .contains("dapr.io/component-container")
    );
}

#[test]
fn minds_the_scopes_of_components() {
    let component = |scope: &str| {
        serde_json::from_value(json!({"metadata": {"name": scope,
            "annotations": {"dapr.io/component-container": format!("{{\"image\": \"{scope}\"}}")}},
            "scopes": [scope]}))
        .unwrap()
    };
    let components = [component("other"), component("app1")];
    let injected = injected(&pod(&[]), &cluster(), &facts(), &components);
    let containers = injected.pod["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 3);
    assert_eq!(containers[2]["name"], "app1");
}

fn pod_of_job(annotations: &[(&str, &str)]) -> Value {
    let mut pod = pod(annotations);
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "controller": true}]);
    pod["spec"]["initContainers"] = json!([{"name": "prepare"}]);
    pod
}

#[rstest]
#[case::by_itself(&[], Native::OfJobs, true)]
#[case::annotation(&[("enable-native-sidecar", "false")], Native::All, false)]
#[case::cluster(&[], Native::None, false)]
#[case::annotation_over_cluster(&[("enable-native-sidecar", "true")], Native::None, true)]
fn pods_of_jobs_end_by_themselves(
    #[case] annotations: &[(&str, &str)],
    #[case] native: Native,
    #[case] expected: bool,
) {
    let cluster = Cluster {
        native,
        ..cluster()
    };
    let injected = injected(&pod_of_job(annotations), &cluster, &facts(), &[]);
    assert_eq!(
        injected.names("initContainers") == ["prepare", "daprd"],
        expected
    );
    assert_eq!(injected.names("containers") == ["main"], expected);
}

#[test]
fn a_jobs_containers_wait_for_the_sidecars_api() {
    let injected = inject(&pod_of_job(&[("app-port", "3000")]));
    let daprd = &injected.pod["spec"]["initContainers"][1];
    assert_eq!(daprd["restartPolicy"], "Always");
    let probe = json!({"httpGet": {"path": "/v1.0/healthz/outbound", "port": 3501},
        "periodSeconds": 1, "failureThreshold": 180});
    assert_eq!(daprd["startupProbe"], probe);
}

#[rstest]
#[case::common(&[("enable-native-sidecar", "false")])]
#[case::daprd_waits_for_a_container(&[("pluggable-components", "main")])]
#[case::daprd_waits_for_a_person(&[("enable-debug", "true")])]
fn nobody_waits_where_that_could_be_for_ever(#[case] annotations: &[(&str, &str)]) {
    let injected = inject(&pod_of_job(annotations));
    assert!(!injected.patch.to_string().contains("startupProbe"));
}

#[test]
fn component_containers_of_a_job_start_before_daprd_and_end_with_it() {
    let component = serde_json::from_value(json!({"metadata": {"name": "store",
        "annotations": {"dapr.io/component-container": "{\"image\": \"i\"}"}}}));
    let pod = pod_of_job(&[("inject-pluggable-components", "true")]);
    let injected = injected(&pod, &cluster(), &facts(), &[component.unwrap()]);
    assert_eq!(
        injected.names("initContainers"),
        ["prepare", "store", "daprd"]
    );
    assert_eq!(injected.names("containers"), ["main"]);
    assert_eq!(
        injected.pod["spec"]["initContainers"][1]["restartPolicy"],
        "Always"
    );
}

#[rstest]
#[case::default(&[], "shared", json!("shared"))]
#[case::own(&[("config", "own")], "shared", json!("own"))]
#[case::empty(&[("config", "")], "shared", json!(""))]
#[case::none(&[], "", json!(null))]
fn a_default_configuration_is_written_to_the_pod(
    #[case] annotations: &[(&str, &str)],
    #[case] default: &str,
    #[case] expected: Value,
) {
    let (defaults, _) = Defaults::new([("dapr.io/config".to_owned(), default.to_owned())]);
    let cluster = Cluster {
        defaults,
        ..cluster()
    };
    let injected = injected(&pod(annotations), &cluster, &facts(), &[]);
    assert_eq!(
        injected.pod["metadata"]["annotations"]["dapr.io/config"],
        expected
    );
    let told = injected.args().contains("--config");
    assert_eq!(told, expected.as_str().is_some_and(|name| !name.is_empty()));
}
