//! A Function of `OpenFunction`, whose kind is here, and whose part a test plays.

use std::time::Duration;

use e2e::{Apps, NAMESPACE, modes::rolled_out};
use serde_json::Value;

use crate::{load::reached, stage::stage};

const KIND: &str = include_str!("../../../manifests/openfunction.yaml");
const MANIFEST: &str = include_str!("../../../manifests/function.yaml");
/// The operator looks now and then whether the kind has come.
const SOON: Duration = Duration::from_mins(2);

#[test]
fn a_function_shares_a_daprd_of_ours_without_a_word() {
    stage(|_, apps| {
        let (function, workload) = MANIFEST.split_once("---\n").unwrap();
        apps.kube.apply(KIND).unwrap();
        let established = ["wait", "--for=condition=Established", "--timeout=1m"];
        let kind = ["crd", "functions.core.openfunction.io"];
        apps.kube.run(&[&established[..], &kind].concat()).unwrap();
        let told = apps.kube.apply(function).unwrap();
        println!("{told}");
        let function = stored(apps);
        let annotations = &function["spec"]["serving"]["annotations"];
        let service_mode = &annotations["openfunction.io/dapr-service-mode"];
        let mode = &annotations["trilby.dev/mode"];
        assert_eq!(
            (service_mode, mode),
            (&"none".into(), &"shared-deployment".into())
        );
        let workload = workload
            .replace("${IMAGE}", &apps.image)
            .replace("${SERVICE_MODE}", service_mode.as_str().unwrap())
            .replace("${MODE}", mode.as_str().unwrap())
            .replace("${UID}", function["metadata"]["uid"].as_str().unwrap());
        apps.kube.apply(&workload).unwrap();
        rolled_out(apps, "deployment/sink").unwrap();
        reached(apps, "sink", "call/back/hello", SOON);
        reached(apps, "back", "call/sink-trilby-demo/hello", SOON);
        assert_eq!(bound(apps), [Value::from("Function/sink")]);
        leave(apps, &kind);
    });
}

fn stored(apps: &Apps<'_>) -> Value {
    let words = ["get", "function", "sink", "--namespace", NAMESPACE];
    apps.kube.json(&words).unwrap()
}

/// What the instance says it is for: the Function, and not what is made of it.
fn bound(apps: &Apps<'_>) -> Vec<Value> {
    let words = ["get", "shared", "sink-trilby-demo"];
    let words = [&words[..], &["--namespace", NAMESPACE]].concat();
    let instance = apps.kube.json(&words).unwrap();
    let workloads = instance["status"]["boundWorkloads"].as_array().cloned();
    workloads.unwrap_or_default()
}

fn leave(apps: &Apps<'_>, kind: &[&str]) {
    for what in [
        &["deployment", "sink", "--namespace", NAMESPACE][..],
        &["shared", "sink-trilby-demo", "--namespace", NAMESPACE],
        kind,
    ] {
        apps.kube.run(&[&["delete"], what].concat()).unwrap();
    }
}
