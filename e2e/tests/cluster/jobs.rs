//! Jobs with a sidecar end by themselves, and their own exit code decides.

use std::time::Duration;

use cluster::until;
use e2e::{Apps, NAMESPACE, steps::pod};
use serde_json::Value;

use crate::stage::stage;

const MANIFEST: &str = include_str!("../../manifests/jobs.yaml");

#[test]
fn jobs_with_dapr_calls_complete_or_fail_by_their_own_exit_code() {
    stage(|_, apps| {
        remove(apps);
        apps.kube
            .apply(&MANIFEST.replace("${IMAGE}", &apps.image))
            .unwrap();
        assert_eq!(ended(apps, "calls"), "Complete");
        assert_eq!(said(apps, "calls"), pod(apps.kube, "back").unwrap());
        assert_eq!(ended(apps, "fails"), "Failed");
        assert!(said(apps, "fails").contains("404"));
        let cron = until("the CronJob makes a Job", Duration::from_secs(90), || {
            Ok(made_by_cron(apps))
        });
        let cron = cron.unwrap();
        assert_eq!(ended(apps, &cron), "Complete");
        remove(apps);
    });
}

fn remove(apps: &Apps<'_>) {
    let words = ["delete", "jobs,cronjobs", "--all", "--namespace", NAMESPACE];
    apps.kube.run(&words).unwrap();
}

/// `Complete` or `Failed`.
fn ended(apps: &Apps<'_>, job: &str) -> String {
    let words = ["get", "job", job, "--namespace", NAMESPACE];
    let outcome = || {
        let job = apps.kube.json(&words)?;
        let conditions = job["status"]["conditions"].as_array().cloned();
        let last = |condition: &Value| {
            let kind = condition["type"].as_str().unwrap_or_default();
            let last = ["Complete", "Failed"].contains(&kind) && condition["status"] == "True";
            last.then(|| kind.to_owned())
        };
        Ok(conditions.unwrap_or_default().iter().find_map(last))
    };
    until(&format!("Job {job} ends"), Duration::from_mins(1), outcome)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", apps.pods()))
}

/// What the job's own container printed.
fn said(apps: &Apps<'_>, job: &str) -> String {
    let job = format!("job/{job}");
    let words = ["logs", &job, "--container=app", "--namespace", NAMESPACE];
    apps.kube.run(&words).unwrap().trim().to_owned()
}

fn made_by_cron(apps: &Apps<'_>) -> Option<String> {
    let words = ["get", "jobs", "--namespace", NAMESPACE];
    let jobs = apps.kube.json(&words).unwrap();
    let mut names = jobs["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|job| job["metadata"]["name"].as_str());
    names
        .find(|name| name.starts_with("tick-"))
        .map(str::to_owned)
}
