//! An app is rolled out anew while it is called, and no call fails.

use std::{thread, time::Duration};

use e2e::{Apps, NAMESPACE};
use serde_json::Value;

use crate::{
    load::{self, DAPR},
    stage::{settled, stage},
};

/// Calls per second.
const RATE: u32 = 200;
/// Sidecars are called before the restart begins.
const BEFORE: Duration = Duration::from_secs(3);
/// A restart, the delay of the old pods, and then some.
const RESTART: Duration = Duration::from_secs(45);

#[test]
fn a_rolling_restart_fails_no_call() {
    stage(|_, apps| {
        scale(apps, 2);
        settled(apps);
        let urls = [
            format!("{DAPR}/invoke/back/method/hello"),
            format!("{DAPR}/actors/counter/one/method/increment"),
            format!("{DAPR}/invoke/back/method/hello"),
            format!("{DAPR}/actors/counter/two/method/increment"),
        ];
        let outcome = while_called(apps, &urls, || {
            thread::sleep(BEFORE);
            restart(apps);
        });
        println!("{outcome}");
        assert_eq!(outcome["failed"], 0, "{outcome}");
        let calls = u64::from(RATE) * (BEFORE + RESTART).as_secs();
        assert_eq!(outcome["calls"], calls);
    });
}

/// Has front call the URLs in turn while `meanwhile` happens.
fn while_called(apps: &Apps<'_>, urls: &[String], meanwhile: impl FnOnce()) -> Value {
    let seconds = (BEFORE + RESTART).as_secs();
    thread::scope(|scope| {
        let calls = scope.spawn(|| load::call(apps, "front", urls, RATE, seconds));
        meanwhile();
        calls.join().unwrap()
    })
}

pub(crate) fn scale(apps: &Apps<'_>, replicas: u8) {
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
