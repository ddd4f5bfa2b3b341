use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    Cluster, Defaults, Verdict,
    testing::{cluster, pod, triaged, triaged_with},
};

const ENABLED: &str = "dapr.io/enabled";
const ENABLE: &str = "openfunction.io/enable-dapr";

/// `pod` with further annotations, whose keys are whole; an empty value takes one away.
fn annotated(mut pod: Value, annotations: &[(&str, &str)]) -> Value {
    let all = pod["metadata"]["annotations"].as_object_mut().unwrap();
    for (key, value) in annotations {
        all.insert((*key).to_owned(), json!(value));
    }
    all.retain(|_, value| value != "");
    pod
}

fn shared(annotations: &[(&str, &str)]) -> Value {
    annotated(
        pod(&[]),
        &[&[("trilby.dev/mode", "shared-deployment")], annotations].concat(),
    )
}

/// The pod after it was bound, and the warnings.
fn bound(object: &Value) -> (Value, Vec<String>) {
    bound_in(&cluster(), object)
}

fn bound_in(cluster: &Cluster, object: &Value) -> (Value, Vec<String>) {
    let triage = triaged(object, &["system:masters"], cluster);
    let Verdict::Bind(binding) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    let injection = binding.bind(cluster).unwrap();
    let mut pod = object.clone();
    json_patch::patch(&mut pod, &injection.patch).unwrap();
    let warnings = injection.warnings.iter().map(ToString::to_string);
    (pod, warnings.collect())
}

fn denied(object: &Value, namespace: &Defaults) -> String {
    let triage = triaged_with(object, &["system:masters"], &cluster(), namespace);
    let Verdict::Deny(denial) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    denial.to_string()
}

fn mode(mode: &str) -> Defaults {
    Defaults::new([("trilby.dev/mode".to_owned(), mode.to_owned())]).0
}

#[test]
fn tells_all_containers_where_the_instance_is() {
    let mut pod = shared(&[("dapr.io/app-protocol", "grpc")]);
    pod["spec"]["initContainers"] = json!([{"name": "prepare"}]);
    let (bound, warnings) = bound(&pod);
    let host = "app1-shared.default.svc.cluster.local";
    let secret = |key: &str| json!({"secretKeyRef": {"name": "app1-shared-token", "key": key}});
    let expected = json!([
        {"name": "DAPR_HTTP_ENDPOINT", "value": format!("http://{host}:3500")},
        {"name": "DAPR_GRPC_ENDPOINT", "value": format!("http://{host}:50001")},
        {"name": "DAPR_HTTP_PORT", "value": "3500"},
        {"name": "DAPR_GRPC_PORT", "value": "50001"},
        {"name": "DAPR_HOST", "value": host},
        {"name": "APP_PROTOCOL", "value": "grpc"},
        {"name": "DAPR_API_TOKEN", "valueFrom": secret("token")},
        {"name": "APP_API_TOKEN", "valueFrom": secret("app-token")}]);
    assert_eq!(
        bound["spec"]["containers"],
        json!([{"name": "main", "image": "app", "env": expected}])
    );
    assert_eq!(
        bound["spec"]["initContainers"],
        json!([{"name": "prepare", "env": expected}])
    );
    let labels = json!({"l": "1", "trilby.dev/bound-to": "app1", "dapr.io/app-id": "app1"});
    assert_eq!(bound["metadata"]["labels"], labels);
    assert_eq!(
        bound["metadata"]["annotations"],
        pod["metadata"]["annotations"]
    );
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn an_instance_that_speaks_tls_is_told_by_its_scheme() {
    let (bound, _) = bound(&shared(&[("trilby.dev/api-tls-secret", "cert")]));
    let env = &bound["spec"]["containers"][0]["env"];
    let host = "app1-shared.default.svc.cluster.local";
    assert_eq!(env[0]["value"], format!("https://{host}:3500"));
    assert_eq!(env[1]["value"], format!("https://{host}:50001"));
}

#[test]
fn what_the_pod_says_stays() {
    let mut pod = shared(&[]);
    let own = json!([{"name": "DAPR_HTTP_ENDPOINT", "value": "http://elsewhere"},
        {"name": "DAPR_API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}}]);
    pod["spec"]["containers"][0]["env"] = own.clone();
    pod["metadata"]["labels"] =
        json!({"dapr.io/app-id": "selected-by", "trilby.dev/bound-to": "x"});
    let (bound, _) = bound(&pod);
    let env = bound["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(json!(env[..2]), own);
    let names: Vec<_> = env[2..]
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "DAPR_GRPC_ENDPOINT",
            "DAPR_HTTP_PORT",
            "DAPR_GRPC_PORT",
            "DAPR_HOST",
            "APP_API_TOKEN"
        ]
    );
    let labels = json!({"dapr.io/app-id": "selected-by", "trilby.dev/bound-to": "app1"});
    assert_eq!(bound["metadata"]["labels"], labels);
}

#[test]
fn the_apps_own_token_is_told_to_it() {
    let (bound, _) = bound(&shared(&[("dapr.io/app-token-secret", "mine")]));
    let env = bound["spec"]["containers"][0]["env"].as_array().unwrap();
    let token = env
        .iter()
        .find(|one| one["name"] == "APP_API_TOKEN")
        .unwrap();
    assert_eq!(
        token["valueFrom"],
        json!({"secretKeyRef": {"name": "mine", "key": "token"}})
    );
}

#[rstest]
#[case::common(&[], Some(35), 0)]
#[case::said(&[("trilby.dev/shutdown-delay-seconds", "9")], Some(39), 0)]
#[case::instance_blocks(&[("dapr.io/block-shutdown-duration", "1s")], Some(35), 0)]
#[case::native_elsewhere(&[("dapr.io/enable-native-sidecar", "true")], Some(35), 0)]
#[case::off(&[("trilby.dev/shutdown-delay-seconds", "0")], None, 0)]
#[case::too_long(&[("trilby.dev/shutdown-delay-seconds", "30")], None, 1)]
fn goes_on_until_the_instance_knows_that_it_leaves(
    #[case] annotations: &[(&str, &str)],
    #[case] grace: Option<u64>,
    #[case] warned: usize,
) {
    let cluster = Cluster {
        shutdown_delay: Some(25),
        ..cluster()
    };
    let pod = shared(annotations);
    let (bound, warnings) = bound_in(&cluster, &pod);
    assert_eq!(warnings.len(), warned, "{warnings:?}");
    let spec = &bound["spec"];
    assert_eq!(spec["terminationGracePeriodSeconds"].as_u64(), grace);
    let sleep = &spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"];
    assert_eq!(sleep.as_u64(), grace.map(|grace| grace - 30));
    assert_eq!(
        bound_in(&cluster, &bound).0,
        bound,
        "a second review changes nothing"
    );
}

#[test]
fn wrong_settings_are_warned_of() {
    let (_, warnings) = bound(&shared(&[("dapr.io/app-port", "x")]));
    assert!(
        warnings[0].starts_with("dapr.io/app-port: \"x\""),
        "{warnings:?}"
    );
}

#[rstest]
#[case::unknown(
    "shared",
    "trilby.dev/mode: \"shared\" is not known; write \"sidecar\""
)]
#[case::empty("\n", "trilby.dev/mode: \"\\n\" is not known")]
fn a_pod_of_an_unknown_mode_is_refused(#[case] value: &str, #[case] says: &str) {
    let text = denied(&shared(&[("trilby.dev/mode", value)]), &Defaults::default());
    assert!(text.starts_with(says), "{text}");
}

#[test]
fn the_refusal_says_where_the_mode_is() {
    let text = denied(&pod(&[]), &mode("shared"));
    assert!(
        text.ends_with("\"shared-daemonset\" (it is an annotation of the namespace)"),
        "{text}"
    );
}

#[rstest]
#[case::missing("", "is missing")]
#[case::too_long(&"a".repeat(51), "50 are the most")]
#[case::no_label("app-", "end with a letter or digit")]
fn the_app_id_names_the_instance(#[case] app_id: &str, #[case] says: &str) {
    let text = denied(&shared(&[("dapr.io/app-id", app_id)]), &Defaults::default());
    assert!(text.contains(says), "{text}");
}

#[rstest]
#[case::namespace(None, "shared-daemonset", true)]
#[case::pod(Some("sidecar"), "shared-daemonset", false)]
#[case::pod_too(Some("shared-deployment"), "sidecar", true)]
#[case::mistake_elsewhere(Some("sidecar"), "mistake", false)]
fn the_pod_wins_over_its_namespace(
    #[case] own: Option<&str>,
    #[case] namespace: &str,
    #[case] expected: bool,
) {
    let pod = match own {
        Some(own) => annotated(pod(&[]), &[("trilby.dev/mode", own)]),
        None => pod(&[]),
    };
    let triage = triaged_with(&pod, &["system:masters"], &cluster(), &mode(namespace));
    assert_eq!(
        matches!(triage.verdict, Verdict::Bind(_)),
        expected,
        "{triage:?}"
    );
}

#[test]
fn an_instance_is_not_bound_in_a_namespace_that_shares() {
    let mut pod = pod(&[]);
    pod["spec"]["containers"] = json!([{"name": "daprd"}]);
    let triage = triaged_with(
        &pod,
        &["system:masters"],
        &cluster(),
        &mode("shared-deployment"),
    );
    assert!(matches!(
        triage.verdict,
        Verdict::Skip(crate::Skip::Injected, _)
    ));
}

#[test]
fn a_caller_without_the_right_is_not_bound() {
    let triage = triaged(&shared(&[]), &["system:nodes"], &cluster());
    assert!(matches!(
        triage.verdict,
        Verdict::Skip(crate::Skip::Unauthorized, _)
    ));
}

fn function(annotations: &[(&str, &str)]) -> Value {
    let mut pod = annotated(pod(&[]), &[(ENABLED, ""), ("dapr.io/app-id", "")]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "X", "valueFrom": {}},
        {"name": "FUNC_CONTEXT", "value": r#"{"name": "sink", "port": "8080"}"#}]);
    annotated(pod, annotations)
}

#[test]
fn a_function_is_bound_by_its_own_annotations() {
    let (bound, _) = bound(&function(&[(ENABLE, "true")]));
    assert_eq!(
        bound["metadata"]["labels"]["trilby.dev/bound-to"],
        "sink-default"
    );
}

#[test]
fn a_function_with_a_sidecar_is_known_to_sentry() {
    let pod = function(&[
        (ENABLE, "true"),
        ("openfunction.io/dapr-service-mode", "sidecar"),
    ]);
    let injected = crate::testing::injected(&pod, &cluster(), &crate::testing::facts(), &[]);
    assert!(injected.args().contains("--app-id sink-default "));
    let annotations = &injected.pod["metadata"]["annotations"];
    assert_eq!(annotations["dapr.io/app-id"], "sink-default");
    assert_eq!(annotations[ENABLED], "true");
}

#[rstest]
#[case::no_function(&[("trilby.dev/mode", "shared-deployment")], Some("trilby.dev/mode: "))]
#[case::off(&[(ENABLED, "true"), (ENABLE, "false")], Some("openfunction.io/enable-dapr: \"false\" keeps"))]
#[case::neither(&[(ENABLED, "true"), ("openfunction.io/dapr-service-mode", "none")], Some("openfunction.io/dapr-service-mode: \"none\" keeps"))]
#[case::all_off(&[(ENABLED, "false"), ("trilby.dev/mode", "shared-deployment")], None)]
#[case::off_alone(&[(ENABLE, "false")], None)]
fn who_almost_asks_is_told(#[case] annotations: &[(&str, &str)], #[case] says: Option<&str>) {
    let triage = triaged(&function(annotations), &["system:masters"], &cluster());
    let Verdict::Skip(crate::Skip::NotEnabled, warnings) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    assert_eq!(warnings.len(), usize::from(says.is_some()), "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|one| one.as_str().starts_with(says.unwrap_or_default()))
    );
}
