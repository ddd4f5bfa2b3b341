//! Two control planes side by side, and each namespace belongs to one of them.

use std::fs;

use cluster::{output, until};
use e2e::{Apps, CONTROL_PLANE, Install, NAMESPACE, steps::pod};
use serde_json::Value;

use crate::{
    late::{self, FOUND},
    load::reached,
    stage::stage,
};

/// Namespace of the second control plane, and of what it serves.
const CANARY: &str = "dapr-canary";
const SERVED: &str = "trilby-canary";

#[test]
fn a_labelled_namespace_belongs_to_the_control_plane_of_that_name() {
    stage(|install, apps| {
        beside(install);
        serve(apps);
        let name = until("the application is there", FOUND, || Ok(running(apps).ok())).unwrap();
        assert!(args(apps, SERVED, &name).contains("dapr-api.dapr-canary.svc"));
        assert!(args(apps, SERVED, &name).contains("dapr-placement-server.dapr-canary.svc"));
        let front = pod(apps.kube, "front").unwrap();
        assert!(args(apps, NAMESPACE, &front).contains("dapr-api.dapr-system.svc"));
        // Each finds the other.
        reached(apps, "front", "call/since.trilby-canary/hello", FOUND);
        gone(install);
    });
}

/// With the authority of the first.
fn beside(install: &Install<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let words = ["get", "secret", "dapr-trust-bundle"];
    let there = ["--namespace", CONTROL_PLANE];
    let mut helm = install.kube.helm(&["upgrade", "--install", "canary"]);
    helm.arg(install.workspace.join("charts/dapr"));
    helm.args(["--namespace", CANARY, "--create-namespace"]);
    helm.args(["--wait", "--timeout=4m"]);
    for (key, value) in [
        ("ca.crt", "root.certPEM"),
        ("issuer.crt", "issuer.certPEM"),
        ("issuer.key", "issuer.keyPEM"),
    ] {
        let template = format!("--template={{{{index .data {key:?} | base64decode}}}}");
        let form = ["--output=go-template", &template];
        let text = install.kube.run(&[&words[..], &there, &form].concat());
        let file = folder.path().join(key);
        fs::write(&file, text.unwrap()).unwrap();
        helm.arg("--set-file")
            .arg(format!("dapr_sentry.tls.{value}={}", file.display()));
    }
    let images = install.images;
    for value in [
        "global.revision=canary".to_owned(),
        "dapr_sentry.rotation.enabled=false".to_owned(),
        format!("global.registry={}", images.registry),
        format!("global.tag={}", images.tag),
        format!("dapr_sidecar_injector.image.name={}", images.daprd),
    ] {
        helm.args(["--set", &value]);
    }
    output(&mut helm).unwrap_or_else(|error| panic!("{error:#}"));
}

fn serve(apps: &Apps<'_>) {
    let namespace = format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {SERVED}, \
         labels: {{trilby.dev/revision: canary}}}}}}"
    );
    apps.kube.apply(&namespace).unwrap();
    let manifest = late::manifest(apps, "since", "dapr.io/log-level: info")
        .replace("namespace: trilby-demo", &format!("namespace: {SERVED}"));
    apps.kube.apply(&manifest).unwrap();
    let words = ["rollout", "status", "deployment/since", "--timeout=2m"];
    let there = ["--namespace", SERVED];
    apps.kube.run(&[&words[..], &there].concat()).unwrap();
}

fn running(apps: &Apps<'_>) -> anyhow::Result<String> {
    let words = ["get", "pods", "--namespace", SERVED, "--output=name"];
    let said = apps.kube.run(&words)?;
    let name = said
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("pod/"));
    anyhow::Context::context(name.map(str::to_owned), "no pod")
}

/// How the sidecar of a pod was started.
fn args(apps: &Apps<'_>, namespace: &str, pod: &str) -> String {
    let words = ["get", "pod", pod, "--namespace", namespace];
    let pod: Value = apps.kube.json(&words).unwrap();
    let containers = pod["spec"]["containers"].as_array().unwrap().iter();
    let mut sidecars = containers.filter(|one| one["name"] == "daprd");
    sidecars.next().unwrap()["args"].to_string()
}

fn gone(install: &Install<'_>) {
    let words = ["uninstall", "canary", "--namespace", CANARY, "--wait"];
    output(&mut install.kube.helm(&words)).unwrap();
    for namespace in [SERVED, CANARY] {
        let words = ["delete", "namespace", namespace];
        install.kube.run(&words).unwrap();
    }
}
