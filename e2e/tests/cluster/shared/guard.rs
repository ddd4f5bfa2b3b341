//! What others get at the ports of an instance.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use e2e::{Apps, CONTROL_PLANE, NAMESPACE, modes::Moded};
use serde_json::{Value, json};

use super::{SHARED, instances};
use crate::stage::stage;

/// An instance that calls no app.
const SEALED: &str = "\
apiVersion: trilby.dev/v1alpha1
kind: SharedInstance
metadata: {name: sealed, namespace: trilby-demo}
spec:
  annotations: {trilby.dev/api-tls-secret: sealed-tls, dapr.io/config: demo}
";
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

#[test]
fn the_ports_for_apps_speak_tls_by_a_secret_that_is_named() {
    stage(|_, apps| {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
        let name = format!("sealed-shared.{NAMESPACE}.svc.cluster.local");
        let signed = rcgen::generate_simple_self_signed([name.clone()]).unwrap();
        std::fs::write(&certificate, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        let words = [
            "create",
            "secret",
            "tls",
            "sealed-tls",
            "--namespace",
            NAMESPACE,
        ];
        let files = [
            format!("--cert={}", certificate.display()),
            format!("--key={}", key.display()),
        ];
        let files = files.each_ref().map(String::as_str);
        apps.kube.run(&[&words[..], &files].concat()).unwrap();
        apps.kube.apply(SEALED).unwrap();
        let ready = [
            "wait",
            "--for=condition=Ready",
            "shared/sealed",
            "--timeout=2m",
        ];
        apps.kube
            .run(&[&ready[..], &["--namespace", NAMESPACE]].concat())
            .unwrap();
        let pod = instances(apps, "sealed").pop().unwrap();
        let address = pod["status"]["podIP"].as_str().unwrap();
        let plain = got(apps, &format!("http://{address}:3500/v1.0/metadata"));
        assert!(!plain.contains("done") && !plain.contains("401"), "{plain}");
        let answer = over_tls(address, &name, &certificate);
        assert!(answer.contains("HTTP/1.1 401"), "{answer}");
        for what in ["shared/sealed", "secret/sealed-tls"] {
            let words = ["delete", what, "--namespace", NAMESPACE];
            apps.kube.run(&words).unwrap();
        }
    });
}

/// What is answered to a call without a token, by a server that has to prove its name.
fn over_tls(address: &str, name: &str, root: &Path) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-verify_return_error"]);
    openssl.args(["-verify_hostname", name, "-servername", name]);
    openssl.args(["-connect", &format!("{address}:3500"), "-CAfile"]);
    openssl.arg(root);
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = openssl.spawn().unwrap();
    let call = format!("GET /v1.0/metadata HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    openssl
        .stdin
        .take()
        .unwrap()
        .write_all(call.as_bytes())
        .unwrap();
    let answer = openssl.wait_with_output().unwrap();
    String::from_utf8_lossy(&answer.stdout).into_owned()
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
