//! Dapr's own scheduler beside our control plane.

use std::time::Duration;

use cluster::{Group, Progress, Tools, images, until};
use e2e::{Apps, CONTROL_PLANE, NAMESPACE, steps::pod};
use serde_json::json;

use crate::{
    load,
    stage::{local_cluster, settled, stage},
};

/// Until a sidecar is connected to all replicas, and a trigger has come.
pub(crate) const SOON: Duration = Duration::from_mins(1);

#[test]
fn jobs_and_reminders_work_with_the_scheduler_of_dapr() {
    stage(|install, apps| {
        let tools = Tools::ensure(install.workspace, &[Group::Originals], Progress).unwrap();
        let images = images::originals(&tools).unwrap();
        images::load(&local_cluster(), &images, Progress).unwrap();
        install
            .up_with(&[
                "global.scheduler.enabled=true",
                "dapr_scheduler.image.name=docker.io/local/original-scheduler:1.18.2",
                "dapr_scheduler.cluster.inMemoryStorage=true",
            ])
            .unwrap();
        // Only sidecars that are made now are told where the scheduler is.
        restart(apps);
        let name = format!("once-{}", std::process::id());
        let job = format!("/v1.0-alpha1/jobs/{name}");
        post(
            apps,
            "front",
            &job,
            r#"{"dueTime": "1s", "data": {"a": "b"}}"#,
        );
        told(apps, "front", &format!(r#""job":"{name}""#));
        let reminder = "/v1.0/actors/counter/reminded/reminders/tick";
        post(
            apps,
            "back",
            reminder,
            r#"{"dueTime": "1s", "period": "1s"}"#,
        );
        told(apps, "back", r#""reminder":"tick""#);
        install.up().unwrap();
        let words = ["get", "statefulset", "--namespace", CONTROL_PLANE];
        let left = install.kube.run(&words).unwrap();
        assert!(!left.contains("dapr-scheduler-server"), "{left}");
        restart(apps);
    });
}

fn restart(apps: &Apps<'_>) {
    let words = ["rollout", "restart", "deployment/front", "deployment/back"];
    let there = ["--namespace", NAMESPACE];
    apps.kube.run(&[&words[..], &there].concat()).unwrap();
    apps.ready().unwrap();
    settled(apps);
}

/// Has an application post to its daprd, until that is taken. Reminders are for their own hosts.
pub(crate) fn post(apps: &Apps<'_>, app: &str, path: &str, body: &str) {
    let order = json!({"urls": [path], "body": body, "rate": 1, "seconds": 1});
    until(&format!("{path} is taken"), SOON, || {
        let outcome = load::run(apps, app, &order);
        Ok((outcome["failed"] == 0).then_some(()))
    })
    .unwrap();
}

/// Waits until the application was told something.
fn told(apps: &Apps<'_>, app: &str, what: &str) {
    until(&format!("{app} is told {what}"), SOON, || {
        let received = apps.kube.call(&pod(apps.kube, app)?, "received", None)?;
        Ok(received.contains(what).then_some(()))
    })
    .unwrap();
}
