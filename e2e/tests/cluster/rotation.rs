//! Roots follow each other, and sidecars of every age go on calling each other.

use std::{thread, time::Duration};

use cluster::until;
use e2e::{Apps, CONTROL_PLANE, Install, NAMESPACE, SERVICES};
use serde_json::Value;

use crate::{
    late,
    load::{self, DAPR},
    resources::while_subscriptions_are_listed,
    stage::stage,
};

const BUNDLE: &str = "dapr-trust-bundle";
/// Calls per second of each application.
const RATE: u32 = 20;
/// Sentry heeds a wish within a minute.
const HEEDED: Duration = Duration::from_secs(90);

#[test]
fn sidecars_of_every_age_call_each_other_through_rotations() {
    stage(|install, apps| {
        let before = restarts(apps);
        let mut names = vec!["front".to_owned(), "back".to_owned()];
        for round in 1..=2 {
            while_all_call(apps, &names, || {
                while_subscriptions_are_listed(apps, || rotate(apps));
            });
            names.push(join(apps, round));
        }
        while_all_call(apps, &names, || {
            while_subscriptions_are_listed(apps, || renew_control_plane(install));
        });
        // The oldest sidecar finds placement.
        load::reached(apps, "front", "count/rotated", HEEDED);
        assert_eq!(restarts(apps), before);
        late::leave(apps, &names);
    });
}

/// Every application calls every other one until `meanwhile` is over; no call may fail.
fn while_all_call(apps: &Apps<'_>, names: &[String], meanwhile: impl FnOnce() + Send) {
    let url = |name: &String| format!("{DAPR}/invoke/{name}/method/hello");
    let urls: Vec<String> = names.iter().map(url).collect();
    thread::scope(|scope| {
        let busy = scope.spawn(meanwhile);
        while !busy.is_finished() {
            let calls: Vec<_> = names
                .iter()
                .map(|name| scope.spawn(|| load::call(apps, name, &urls, RATE, 5)))
                .collect();
            for call in calls {
                let outcome = call.join().unwrap();
                assert_eq!(outcome["failed"], 0, "{outcome}");
            }
        }
    });
}

/// Asks for a rotation and waits until another root signs.
pub(crate) fn rotate(apps: &Apps<'_>) {
    let before = activated(apps);
    let wish = format!("trilby.dev/rotate={before}-{}", std::process::id());
    let words = ["annotate", "secret", BUNDLE, &wish, "--overwrite"];
    let there = ["--namespace", CONTROL_PLANE];
    apps.kube.run(&[&words[..], &there].concat()).unwrap();
    until("another root signs", HEEDED, || {
        Ok((activated(apps) > before).then_some(()))
    })
    .unwrap();
}

/// How many Events tell that a root took over, repetitions counted.
fn activated(apps: &Apps<'_>) -> u64 {
    let words = ["get", "events", "--namespace", CONTROL_PLANE];
    let events = apps.kube.json(&words).unwrap();
    let events = events["items"].as_array().cloned().unwrap_or_default();
    let told = events
        .iter()
        .filter(|event| event["reason"] == "RootActivated");
    told.map(|event| event["series"]["count"].as_u64().unwrap_or(1))
        .sum()
}

/// Starts an application that knows the roots of now, and waits until the others find it.
fn join(apps: &Apps<'_>, round: u32) -> String {
    let name = format!("late-{round}");
    late::start(apps, &name, "dapr.io/config: demo");
    let all = ["front", "back", &name].map(str::to_owned);
    late::found(apps, &all, &name);
    name
}

/// New pods of the control plane have certificates of the present root.
fn renew_control_plane(install: &Install<'_>) {
    for (workload, _) in SERVICES {
        let words = ["rollout", "restart", workload, "--namespace", CONTROL_PLANE];
        install.kube.run(&words).unwrap();
    }
    install.ready().unwrap();
}

/// How often containers of the applications were started again.
fn restarts(apps: &Apps<'_>) -> u64 {
    let pods = apps
        .kube
        .json(&["get", "pods", "--namespace", NAMESPACE])
        .unwrap();
    let of = |pod: &Value| pod["status"]["containerStatuses"].as_array().cloned();
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let containers = pods.iter().filter_map(of).flatten();
    containers
        .filter_map(|one| one["restartCount"].as_u64())
        .sum()
}
