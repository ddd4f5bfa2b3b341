//! What others get at the ports of an instance.

use e2e::{Apps, CONTROL_PLANE, NAMESPACE, modes::Moded};
use serde_json::{Value, json};

use super::{SHARED, instances};
use crate::stage::stage;

const ACCOUNT: &str = "system:serviceaccount:trilby-demo:vault-shared";

#[test]
fn a_pod_of_another_app_gets_nothing_and_no_key_lies_about() {
    stage(|_, apps| {
        Moded::new("vault", SHARED).up(apps).unwrap();
        let pod = instances(apps, "vault").pop().unwrap();
        let address = pod["status"]["podIP"].as_str().unwrap();
        for (port, path, expected) in [
            (3500, "/v1.0/metadata", "401"),
            (3500, "/v1.0/secrets/kubernetes/bulk", "401"),
            (3500, "/v1.0/healthz/outbound", "done"),
            (50001, "/", "401"),
            (50002, "/", "incompletemessage"),
            (3501, "/v1.0/secrets/kubernetes/bulk", "404"),
            (3510, "/hello", "refused"),
            (3511, "/scale", "done"),
        ] {
            let url = format!("http://{address}:{port}{path}");
            let got = got(apps, &url);
            println!("{port}{path}: {got}");
            assert!(got.contains(expected), "{url}: {got}");
        }
        rights(apps);
        no_key(apps);
        Moded::new("vault", SHARED).down(apps).unwrap();
    });
}

/// What the pod that asked for no daprd gets.
fn got(apps: &Apps<'_>, url: &str) -> String {
    let load = json!({"urls": [url], "rate": 1, "seconds": 1}).to_string();
    let outcome = apps.kube.call("plain", "load", Some(&load)).unwrap();
    let outcome: Value = serde_json::from_str(&outcome).unwrap();
    let failure = outcome["failures"][0].as_str().unwrap_or("done");
    failure
        .replace("Connection refused", "refused")
        .to_lowercase()
}

/// The instance reads secrets where the app's sidecar could, and nowhere else.
fn rights(apps: &Apps<'_>) {
    for namespace in [CONTROL_PLANE, "kube-system", "default"] {
        for verb in ["get", "list"] {
            let words = [
                "auth",
                "can-i",
                verb,
                "secrets",
                "--as",
                ACCOUNT,
                "--namespace",
                namespace,
            ];
            let answer = apps.kube.kubectl(&words).output().unwrap();
            let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
            assert_eq!(answer.trim(), "no", "{verb} secrets in {namespace}");
        }
    }
    let words = [
        "auth",
        "can-i",
        "list",
        "secrets",
        "--as",
        ACCOUNT,
        "--namespace",
        NAMESPACE,
    ];
    let answer = apps.kube.kubectl(&words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "no");
}

/// The authority's key is in one Secret, which only sentry may read.
fn no_key(apps: &Apps<'_>) {
    let all = apps
        .kube
        .json(&["get", "configmaps,secrets", "--all-namespaces"])
        .unwrap();
    for object in all["items"].as_array().into_iter().flatten() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text = object.to_string();
        // Secrets are in Base64: "PRIVATE KEY" in its three positions.
        let keys = [
            "PRIVATE KEY",
            "UFJJVkFURSBLRV",
            "BSSVZBVEUgS0VZ",
            "QUklWQVRFIEtFW",
        ];
        let has_key = keys.iter().any(|key| text.contains(key));
        assert!(
            !has_key || name == "dapr-trust-bundle" && object["kind"] == "Secret",
            "{name}"
        );
    }
}
