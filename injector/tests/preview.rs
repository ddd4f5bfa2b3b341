//! `injector preview`, as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use rstest::rstest;
use serde_json::{Value, json};

/// What the program says about `objects`, out of any cluster.
fn preview(objects: &[Value]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_injector"))
        .args(["preview", "-f", "-", "--offline", "-namespace=shop"])
        .env_clear()
        .env("SIDECAR_DEFAULTS", r#"{"dapr.io/log-level": "debug"}"#)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
    let mut manifest = program.stdin.take().unwrap();
    manifest
        .write_all(documents.join("\n---\n").as_bytes())
        .unwrap();
    drop(manifest);
    program.wait_with_output().unwrap()
}

fn template(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "main"}]}})
}

fn job(annotations: &Value) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "nightly"},
        "spec": {"template": template(annotations)}})
}

#[test]
fn shows_the_pod_and_where_each_setting_comes_from() {
    let service = json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {}});
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "app",
        "dapr.io/app-port": "x"});
    let output = preview(&[service, job(&annotations)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.starts_with("---\n# Job shop/nightly: sidecar with app-id app\n"),
        "{text}"
    );
    let has = |key: &str, source: &str, value: &str| {
        let line = format!("# dapr.io/{key:<40} {source:<9}  {value}");
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in\n{text}"
        );
    };
    has("log-level", "cluster", "\"debug\"");
    has("enable-native-sidecar", "cluster", "\"true\"");
    has("app-port", "built-in", "\"0\"");
    assert!(
        text.contains("# warning: dapr.io/app-port: \"x\""),
        "{text}"
    );
    let pod: Value = config::yaml::from_str(&text).unwrap();
    assert_eq!(pod["metadata"]["generateName"], "nightly-");
    assert_eq!(pod["metadata"].get("ownerReferences"), None);
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "daprd");
    assert!(
        pod["spec"]["initContainers"][0]["args"]
            .to_string()
            .contains(r#""debug""#)
    );
}

#[test]
fn shows_bound_pods() {
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": "app",
        "trilby.dev/mode": "shared-daemonset"});
    let output = preview(&[job(&annotations)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let headline = "---\n# Job shop/nightly: bound to the shared instance app-shared \
                    (shared-daemonset) of app-id app\n";
    assert!(text.starts_with(headline), "{text}");
    let mode = format!(
        "# {:<48} {:<9}  \"shared-daemonset\"\n",
        "trilby.dev/mode", "pod"
    );
    assert!(text.contains(&mode), "{text}");
    let pod: Value = config::yaml::from_str(&text).unwrap();
    assert_eq!(pod["spec"].get("initContainers"), None);
    assert_eq!(
        pod["spec"]["containers"][0]["env"][4]["value"],
        "app-shared.shop.svc.cluster.local"
    );
}

#[rstest]
#[case::refused(&[job(&json!({"dapr.io/enabled": "true", "dapr.io/app-id": "My App"}))], 1, "refused: dapr.io/app-id", "")]
#[case::skipped(&[job(&json!({"dapr.io/enabled": "yes"}))], 0, "# warning: dapr.io/enabled: \"yes\"", "")]
#[case::no_pod(&[json!({"kind": "Service"})], 1, "", "no pod comes of the manifest")]
#[case::no_object(&[json!([1, "x", null])], 1, "", "no pod comes of the manifest")]
fn says_why_not(
    #[case] objects: &[Value],
    #[case] code: i32,
    #[case] says: &str,
    #[case] error: &str,
) {
    let output = preview(objects);
    let (text, errors) = (
        String::from_utf8(output.stdout),
        String::from_utf8(output.stderr),
    );
    let (text, errors) = (text.unwrap(), errors.unwrap());
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    assert!(
        text.contains(says) && errors.contains(error),
        "{text}{errors}"
    );
}
