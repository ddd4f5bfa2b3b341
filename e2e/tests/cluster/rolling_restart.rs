//! An app is rolled out anew while it is called, and no call fails.

use std::{thread, time::Duration};

use cluster::until;
use e2e::{Apps, NAMESPACE};
use serde_json::Value;

use crate::{
    load::{self, SIDECAR},
    stage::stage,
};

/// Calls per second.
const RATE: u32 = 200;
/// A sidecar asks for the addresses of an app at most this often, so that two restarts in a row
/// would leave it with those of the first.
const RESOLVED: Duration = Duration::from_secs(32);
/// A restart, the delay of the old pods, and then some.
const RESTART: Duration = Duration::from_secs(20);

#[test]
fn a_rolling_restart_fails_no_call() {
    stage(|_, apps| {
        scale(apps, 2);
        settled(apps);
        let urls = [
            format!("{SIDECAR}/invoke/back/method/hello"),
            format!("{SIDECAR}/actors/counter/one/method/increment"),
            format!("{SIDECAR}/invoke/back/method/hello"),
            format!("{SIDECAR}/actors/counter/two/method/increment"),
        ];
        let outcome = while_called(apps, &urls, || {
            thread::sleep(RESOLVED);
            restart(apps);
        });
        println!("{outcome}");
        assert_eq!(outcome["failed"], 0, "{outcome}");
        let calls = u64::from(RATE) * (RESOLVED + RESTART).as_secs();
        assert_eq!(outcome["calls"], calls);
        scale(apps, 1);
        settled(apps);
    });
}

/// Has front call the URLs in turn while `meanwhile` happens.
fn while_called(apps: &Apps<'_>, urls: &[String], meanwhile: impl FnOnce()) -> Value {
    let seconds = (RESOLVED + RESTART).as_secs();
    thread::scope(|scope| {
        let calls = scope.spawn(|| load::call(apps, "front", urls, RATE, seconds));
        meanwhile();
        calls.join().unwrap()
    })
}

fn scale(apps: &Apps<'_>, replicas: u8) {
    let replicas = format!("--replicas={replicas}");
    let words = [
        "scale",
        "deployment/back",
        &replicas,
        "--namespace",
        NAMESPACE,
    ];
    apps.kube.run(&words).unwrap();
    apps.ready().unwrap();
}

fn restart(apps: &Apps<'_>) {
    let words = [
        "rollout",
        "restart",
        "deployment/back",
        "--namespace",
        NAMESPACE,
    ];
    apps.kube.run(&words).unwrap();
    apps.ready().unwrap();
}

/// Waits until no pod is on its way out.
fn settled(apps: &Apps<'_>) {
    let words = ["get", "pods", "--namespace", NAMESPACE];
    let settled = || {
        let pods = apps.kube.json(&words)?;
        let leaving = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
        let any = pods["items"]
            .as_array()
            .is_some_and(|all| all.iter().any(leaving));
        Ok((!any).then_some(()))
    };
    until("old pods are gone", Duration::from_mins(1), settled).unwrap();
}
