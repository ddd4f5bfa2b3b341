//! Applications bound to a daprd that they share.

mod actors;
mod binding;
mod delivery;
mod exclusive;
mod functions;
mod guard;
mod jobs;
mod nodes;
mod rollout;
mod tokens;

use std::collections::BTreeMap;

use e2e::{Apps, NAMESPACE};
use serde_json::{Value, json};

const BROKER: &str = include_str!("../../../manifests/broker.yaml");
/// The mode that tests use where both would do.
const SHARED: Option<&str> = Some("shared-deployment");

/// The broker and the ledger, as they were never used.
fn broker(apps: &Apps<'_>) {
    let pods = ["delete", "pod", "redis", "ledger", "--namespace", NAMESPACE];
    let now = ["--ignore-not-found", "--grace-period=0", "--force"];
    apps.kube.run(&[&pods[..], &now].concat()).unwrap();
    let manifest = BROKER.replace("${IMAGE}", &apps.image);
    apps.kube.apply(&manifest).unwrap();
    let words = ["wait", "--for=condition=Ready", "pod/redis", "pod/ledger"];
    let there = ["--namespace", NAMESPACE, "--timeout=1m"];
    apps.kube.run(&[&words[..], &there].concat()).unwrap();
}

/// How often each number is in the ledger.
fn ledger(apps: &Apps<'_>) -> BTreeMap<u64, usize> {
    let data = apps.kube.call("ledger", "received/data", None).unwrap();
    let data: Vec<Value> = serde_json::from_str(&data).unwrap();
    let mut counts = BTreeMap::new();
    for number in data.iter().filter_map(Value::as_u64) {
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Pods of an instance, ready and not on their way out.
fn instances(apps: &Apps<'_>, name: &str) -> Vec<Value> {
    let selector = format!("trilby.dev/instance={name}");
    live(apps, &selector)
}

fn live(apps: &Apps<'_>, selector: &str) -> Vec<Value> {
    let words = [
        "get",
        "pods",
        "--selector",
        selector,
        "--namespace",
        NAMESPACE,
    ];
    let pods = apps.kube.json(&words).unwrap();
    let ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
        pod["metadata"]["deletionTimestamp"].is_null() && conditions.into_iter().any(ready)
    };
    pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(ready)
        .cloned()
        .collect()
}

/// A `SharedInstance` that a person made, with this spec.
fn instance(apps: &Apps<'_>, name: &str, spec: &Value) {
    let object = json!({
        "apiVersion": "trilby.dev/v1alpha1", "kind": "SharedInstance",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    });
    apps.kube.apply(&object.to_string()).unwrap();
}
