//! One annotation, and a workload uses a shared daprd.

use std::time::Duration;

use cluster::until;
use e2e::{
    Apps, NAMESPACE,
    modes::{Moded, told},
    steps::pod,
};
use serde_json::Value;

use super::{broker, instances};
use crate::stage::stage;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_bound_app_publishes_receives_invokes_and_is_invoked() {
    stage(|_, apps| {
        broker(apps);
        for mode in ["shared-deployment", "shared-daemonset"] {
            let app = Moded {
                replicas: 2,
                ..Moded::new("shop", Some(mode))
            };
            app.up(apps).unwrap();
            check(apps, mode);
            app.down(apps).unwrap();
        }
    });
}

fn check(apps: &Apps<'_>, mode: &str) {
    let shop = pod(apps.kube, "shop").unwrap();
    assert_eq!(
        containers(apps, &shop),
        ["app"],
        "no daprd in the app's own pod"
    );
    let from_sidecar = || {
        Ok(apps
            .kube
            .call(&pod(apps.kube, "front")?, "call/shop/hello", None)
            .ok())
    };
    let answer = until("a sidecar finds the shared daprd", SOON, from_sidecar).unwrap();
    assert!(answer.starts_with("shop-"), "{answer}");
    let answer = apps.kube.call(&shop, "call/back/hello", None).unwrap();
    assert!(answer.starts_with("back-"), "{answer}");
    let number = if mode == "shared-deployment" {
        "17"
    } else {
        "18"
    };
    apps.kube.call(&shop, "publish/shop", Some(number)).unwrap();
    let arrived = || {
        Ok(super::ledger(apps)
            .contains_key(&number.parse()?)
            .then_some(()))
    };
    until("the event arrives", SOON, arrived).unwrap();
}

fn containers(apps: &Apps<'_>, pod: &str) -> Vec<String> {
    let words = ["get", "pod", pod, "--namespace", NAMESPACE];
    let pod = apps.kube.json(&words).unwrap();
    let all = pod["spec"]["containers"].as_array().into_iter().flatten();
    all.filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect()
}

/// The app ID of a sidecar: two lives of one app would share its events and its identity.
#[test]
fn an_app_id_by_sidecar_and_shared_at_once_is_refused() {
    stage(|_, apps| {
        let words = [
            "patch",
            "deployment",
            "front",
            "--namespace",
            NAMESPACE,
            "--type=json",
        ];
        let two_lives = r#"[{"op": "add", "path": "/spec/template/metadata/annotations/trilby.dev~1mode", "value": "shared-deployment"}]"#;
        let second =
            r#"[{"op": "remove", "path": "/spec/template/metadata/annotations/trilby.dev~1mode"}]"#;
        let copy = copied(apps, "front", "front-too");
        apps.kube.apply(&copy).unwrap();
        let patch = |name: &str, patch: &str| {
            let words = [&words[..2], &[name], &words[3..], &["--patch", patch]].concat();
            apps.kube.run(&words).unwrap();
        };
        patch("front-too", two_lives);
        let said = || Ok(Some(told(apps)).filter(|told| told.contains("SidecarWithSameAppId")));
        until("an Event tells of the two lives", SOON, said)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", told(apps)));
        assert!(instances(apps, "front").is_empty());
        patch("front-too", second);
        let words = [
            "delete",
            "deployment",
            "front-too",
            "--namespace",
            NAMESPACE,
        ];
        apps.kube.run(&words).unwrap();
    });
}

/// Another Deployment with the same template, without pods.
fn copied(apps: &Apps<'_>, name: &str, copy: &str) -> String {
    let words = ["get", "deployment", name, "--namespace", NAMESPACE];
    let mut deployment: Value = apps.kube.json(&words).unwrap();
    deployment["metadata"] = serde_json::json!({"name": copy, "namespace": NAMESPACE});
    deployment["spec"]["replicas"] = 0.into();
    deployment["spec"]["selector"]["matchLabels"]["app"] = copy.into();
    deployment["spec"]["template"]["metadata"]["labels"]["app"] = copy.into();
    deployment.to_string()
}
