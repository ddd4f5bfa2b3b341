//! Instances come and go, and the apps that use them notice nothing.

use std::{thread, time::Duration};

use cluster::until;
use e2e::{
    Apps, NAMESPACE,
    modes::{Moded, rolled_out},
};
use serde_json::Value;

use super::{SHARED, instances};
use crate::{
    load::{self, DAPR},
    rotation::rotate,
    stage::stage,
};

/// Calls per second.
const RATE: u32 = 100;
const SOON: Duration = Duration::from_mins(2);

/// A root's rotation, then a rolling restart of each kind of instance.
#[test]
fn calls_through_an_instance_outlive_its_renewal() {
    stage(|_, apps| {
        for mode in ["shared-deployment", "shared-daemonset"] {
            let app = Moded {
                ..Moded::new("steady", Some(mode))
            };
            app.up(apps).unwrap();
            let workload = format!("{}/steady-shared", mode.trim_start_matches("shared-"));
            while_called(apps, || {
                let words = ["rollout", "restart", &workload, "--namespace", NAMESPACE];
                apps.kube.run(&words).unwrap();
                rolled_out(apps, &workload).unwrap();
            });
            app.down(apps).unwrap();
        }
        Moded::new("steady", SHARED).up(apps).unwrap();
        let before = names(apps);
        while_called(apps, || {
            rotate(apps);
            let renewed = || {
                Ok(names(apps)
                    .iter()
                    .all(|name| !before.contains(name))
                    .then_some(()))
            };
            until("the instance knows the new root", SOON, renewed).unwrap();
        });
        Moded::new("steady", SHARED).down(apps).unwrap();
    });
}

fn names(apps: &Apps<'_>) -> Vec<String> {
    let pods = instances(apps, "steady");
    let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
    pods.iter().filter_map(name).collect()
}

/// The bound app calls back, and back's sidecar calls it, until `meanwhile` is over.
fn while_called(apps: &Apps<'_>, meanwhile: impl FnOnce() + Send) {
    load::reached(apps, "front", "call/steady/hello", SOON);
    thread::scope(|scope| {
        let busy = scope.spawn(meanwhile);
        while !busy.is_finished() {
            let calls = [("steady", "back"), ("front", "steady")].map(|(from, to)| {
                let url = [format!("{DAPR}/invoke/{to}/method/hello")];
                scope.spawn(move || load::call(apps, from, &url, RATE, 5))
            });
            for outcome in calls.map(|call| call.join().unwrap()) {
                assert_eq!(outcome["failed"], 0, "{outcome}");
            }
        }
    });
}
