//! The product on a real cluster. `cargo xtask test` brings the cluster up and sets the
//! environment; the tests share one release and one set of applications.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod cli;
mod jobs;
mod late;
mod live_switch;
mod load;
mod no_bare_pod;
mod placement;
mod resources;
mod revisions;
mod rolling_restart;
mod rotation;
mod scheduler;
mod shared;
mod stage;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster::until;
use e2e::{
    Apps, CONTROL_PLANE, Kube, SERVICES,
    steps::{STEPS, pod},
};
use stage::{stage, workspace};

#[test]
fn the_main_job_from_end_to_end() {
    stage(|_, apps| {
        for (claim, step) in STEPS {
            let proof = step(apps).unwrap_or_else(|error| panic!("{claim}: {error:#}"));
            println!("{claim}: {proof}");
        }
    });
}

#[test]
fn a_sample_of_every_kind_is_accepted() {
    stage(|install, _| {
        let samples = workspace().join("config/samples").display().to_string();
        let words = ["apply", "--namespace", "default", "--filename", &samples];
        let said = install.kube.run(&words).unwrap();
        for kind in [
            "component.dapr.io",
            "configuration.dapr.io",
            "subscription.dapr.io",
            "resiliency.dapr.io",
            "httpendpoint.dapr.io",
            "mcpserver.dapr.io",
            "workflowaccesspolicy.dapr.io",
            "sharedinstance.trilby.dev",
        ] {
            assert!(said.contains(kind), "no sample of {kind}: {said}");
        }
        let words = ["delete", "--namespace", "default", "--filename", &samples];
        install.kube.run(&words).unwrap();
    });
}

#[test]
fn the_control_plane_runs_restricted() {
    stage(|install, _| {
        let label = "pod-security.kubernetes.io/enforce=restricted";
        let words = [
            "label",
            "--dry-run=server",
            "--overwrite",
            "namespace",
            CONTROL_PLANE,
            label,
        ];
        let said = install.kube.feed(&words, "").unwrap();
        assert!(
            said.contains("labeled") && !said.contains("violate"),
            "{said}"
        );
    });
}

/// Each pod of the control plane is deleted while front calls back; every call in between works,
/// and afterwards a new sidecar gets everything it needs.
#[test]
fn sidecars_outlive_each_service_of_the_control_plane() {
    stage(|install, apps| {
        for (workload, label) in SERVICES {
            let kube = install.kube;
            let selector = format!("app={label}");
            let words = [
                "delete",
                "pod",
                "--namespace",
                CONTROL_PLANE,
                "--wait=false",
            ];
            kube.run(&[&words[..], &["--selector", &selector]].concat())
                .unwrap();
            let calls = call_for(kube, Duration::from_secs(5));
            let calls = calls
                .with_context(|| format!("while {workload} was gone"))
                .unwrap();
            install.ready().unwrap();
            println!("{workload}: {calls} calls, none failed");
            until("both sidecars are ready", Duration::from_mins(1), || {
                Ok((pod(kube, "front").is_ok() && pod(kube, "back").is_ok()).then_some(()))
            })
            .unwrap();
        }
        restart(apps).unwrap();
        call_for(install.kube, Duration::from_secs(1)).unwrap();
    });
}

/// Calls back through front until the time is over; counts, and fails at the first failed call.
fn call_for(kube: &Kube, time: Duration) -> Result<u32> {
    let (front, back) = (pod(kube, "front")?, pod(kube, "back")?);
    let (begun, mut calls) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let answer = kube.call(&front, "call/back/hello", None)?;
        anyhow::ensure!(answer == back, "call {calls}: {answer}");
        calls += 1;
    }
    Ok(calls)
}

/// New pods need the injector, sentry, operator and placement once more.
fn restart(apps: &Apps<'_>) -> Result<()> {
    let words = ["rollout", "restart", "deployment/front", "deployment/back"];
    apps.kube
        .run(&[&words[..], &["--namespace", e2e::NAMESPACE]].concat())?;
    apps.ready()?;
    let reached = |kube: &Kube| kube.call(&pod(kube, "front")?, "call/back/hello", None);
    until("front reaches the new back", Duration::from_mins(1), || {
        Ok(reached(apps.kube)
            .ok()
            .filter(|answer| answer.starts_with("back-")))
    })?;
    Ok(())
}
