//! No annotated pod comes up without its sidecar, whatever the moment.

use std::{thread, time::Duration};

use anyhow::Result;
use cluster::{Progress, until};
use e2e::{CONTROL_PLANE, Kube, NAMESPACE};
use serde_json::{Value, json};

use crate::stage::{local_cluster, stage};

/// How many pods are made right after an install.
const PODS: usize = 200;
const SOON: Duration = Duration::from_secs(30);
/// How often the whole cluster is stopped and started; `TRILBY_RESTARTS` says otherwise.
const RESTARTS: usize = 2;

#[test]
fn pods_made_right_after_an_install_have_their_sidecar() {
    stage(|install, apps| {
        apps.down().unwrap();
        install.down().unwrap();
        install.up().unwrap();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let items = [vec![namespace], (0..PODS).map(waiting_pod).collect()].concat();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        // The network may know of the webhook a second after it is ready: until then pods are
        // refused, which is no harm to those of controllers.
        let apply = || Ok(apps.kube.apply(&list.to_string()).ok());
        until("all pods are taken", SOON, apply).unwrap();
        let (with, without) = sidecars(apps.kube).unwrap();
        assert_eq!((with, &without[..]), (PODS, &[][..]));
        apps.down().unwrap();
    });
}

/// A pod that no node takes, so that two hundred of them cost nothing.
fn waiting_pod(number: usize) -> Value {
    let name = format!("waiting-{number}");
    let annotations = json!({"dapr.io/enabled": "true", "dapr.io/app-id": name});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
        "spec": {"nodeSelector": {"no-such": "node"},
            "containers": [{"name": "app", "image": "none"}]}})
}

#[test]
fn stops_and_starts_of_the_whole_cluster_leave_no_pod_bare() {
    let rounds = std::env::var("TRILBY_RESTARTS").map_or(RESTARTS, |text| text.parse().unwrap());
    stage(|install, apps| {
        for round in 1..=rounds {
            let bare = thread::scope(|scope| {
                let watched = scope.spawn(|| recreate_and_watch(apps.kube));
                local_cluster().restart(Progress).unwrap();
                install.ready().unwrap();
                apps.ready().unwrap();
                watched.join().unwrap()
            });
            let (with, without) = sidecars(apps.kube).unwrap();
            println!(
                "round {round}: {with} pods with sidecar, bare {without:?}, meanwhile {bare:?}"
            );
            assert!(with >= 2 && without.is_empty() && bare.is_empty());
        }
    });
}

/// As soon as the API server is back, every pod of the control plane and of the applications is
/// replaced, so that new pods are asked for while nothing of Dapr runs. Returns the names of bare
/// pods that were seen until both applications are there.
fn recreate_and_watch(kube: &Kube) -> Vec<String> {
    let long = Duration::from_mins(3);
    let answers = || kube.run(&["get", "--raw=/readyz", "--request-timeout=1s"]);
    until("the API server stops", long, || Ok(answers().err())).unwrap();
    until("the API server is back", long, || Ok(answers().ok())).unwrap();
    for namespace in [CONTROL_PLANE, NAMESPACE] {
        let words = [
            "delete",
            "pods",
            "--selector=app",
            "--force",
            "--namespace",
            namespace,
        ];
        kube.run(&words).unwrap();
    }
    let mut seen = Vec::new();
    until("the applications have sidecars again", long, || {
        let (with, without) = sidecars(kube)?;
        seen.extend(without);
        Ok((with >= 2).then_some(()))
    })
    .unwrap();
    seen
}

/// How many annotated pods have a sidecar, and the names of those that don't.
fn sidecars(kube: &Kube) -> Result<(usize, Vec<String>)> {
    let pods = kube.json(&["get", "pods", "--namespace", NAMESPACE])?;
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let asks = |pod: &&Value| pod["metadata"]["annotations"]["dapr.io/enabled"] == "true";
    let has = |pod: &&Value| {
        let containers = pod["spec"]["containers"].as_array();
        containers.is_some_and(|all| all.iter().any(|one| one["name"] == "daprd"))
    };
    let (with, without): (Vec<_>, Vec<_>) = pods.iter().filter(asks).partition(has);
    let name = |pod: &Value| {
        pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Ok((with.len(), without.into_iter().map(name).collect()))
}
