//! Jobs that ask their sidecar to end, as they were written for one of their own.

use std::time::Duration;

use cluster::until;
use e2e::{Apps, NAMESPACE, modes::rolled_out};
use serde_json::Value;

use super::instances;
use crate::stage::stage;

const MANIFEST: &str = include_str!("../../../manifests/bound-cron.yaml");

#[test]
fn a_cron_job_that_shuts_its_daprd_down_leaves_the_instance_for_the_next_run() {
    stage(|_, apps| {
        apps.kube
            .apply(&MANIFEST.replace("${IMAGE}", &apps.image))
            .unwrap();
        rolled_out(apps, "deployment/nightly-shared").unwrap();
        let before = instances(apps, "nightly");
        for run in ["nightly-1", "nightly-2"] {
            let words = [
                "create",
                "job",
                run,
                "--from=cronjob/nightly",
                "--namespace",
                NAMESPACE,
            ];
            apps.kube.run(&words).unwrap();
            completed(apps, run);
        }
        let same = |pods: &[Value]| -> Vec<(Value, Value)> {
            let of = |pod: &Value| {
                let containers = &pod["status"]["containerStatuses"];
                (
                    pod["metadata"]["uid"].clone(),
                    containers[0]["restartCount"].clone(),
                )
            };
            pods.iter().map(of).collect()
        };
        assert_eq!(same(&instances(apps, "nightly")), same(&before));
        let words = [
            "delete",
            "cronjob/nightly",
            "sharedinstance/nightly",
            "--namespace",
            NAMESPACE,
        ];
        apps.kube.run(&words).unwrap();
    });
}

fn completed(apps: &Apps<'_>, job: &str) {
    let words = ["get", "job", job, "--namespace", NAMESPACE];
    let complete = || {
        let job = apps.kube.json(&words)?;
        Ok((job["status"]["succeeded"] == 1).then_some(()))
    };
    until(
        &format!("Job {job} completes"),
        Duration::from_mins(1),
        complete,
    )
    .unwrap_or_else(|error| panic!("{error:#}\n{}", apps.pods()));
}
