//! Tokens follow each other while an app calls.

use std::{thread, time::Duration};

use cluster::until;
use e2e::{
    Apps, CONTROL_PLANE, NAMESPACE,
    modes::{Moded, rolled_out},
};
use serde_json::Value;

use super::SHARED;
use crate::{
    load::{self, DAPR},
    stage::stage,
};

/// The kubelet brings a changed Secret to a pod within this, with its usual settings.
const SPREAD: Duration = Duration::from_mins(3);
const TIMES: &str = "trilby.dev/token-times";
const SECRET: &str = "keys-shared-token";
/// Longer ago than any token lasts.
const PAST: &str = "2020-01-01T00:00:00Z";

#[test]
fn calls_outlive_the_rotation_of_the_token() {
    stage(|_, apps| {
        Moded::new("keys", SHARED).up(apps).unwrap();
        let (old, _) = tokens(apps);
        load::reached(apps, "keys", "call/back/hello", SPREAD);
        thread::scope(|scope| {
            let busy = scope.spawn(|| {
                // The token is as old as can be: another one is added.
                look_again(apps, PAST);
                let added = || Ok((tokens(apps).1.len() == 2).then_some(()));
                until("another token is accepted", SPREAD, added).unwrap();
                // It was added long ago: new pods get it.
                look_again(apps, &format!("-{PAST},{PAST}"));
                let given = || Ok((tokens(apps).0 != old).then_some(()));
                until("new pods get the other token", SPREAD, given).unwrap();
            });
            while !busy.is_finished() {
                steady(apps, "with the old token");
            }
        });
        let words = [
            "rollout",
            "restart",
            "deployment/keys",
            "--namespace",
            NAMESPACE,
        ];
        apps.kube.run(&words).unwrap();
        rolled_out(apps, "deployment/keys").unwrap();
        load::reached(apps, "keys", "call/back/hello", SPREAD);
        steady(apps, "with the new token");
        Moded::new("keys", SHARED).down(apps).unwrap();
    });
}

fn steady(apps: &Apps<'_>, when: &str) {
    let url = [format!("{DAPR}/invoke/back/method/hello")];
    let outcome = load::call(apps, "keys", &url, 100, 5);
    println!(
        "{when}: {} calls, {} failed",
        outcome["calls"], outcome["failed"]
    );
    assert_eq!(outcome["failed"], 0, "{when}: {outcome}");
}

/// The token for new pods, and since when each of the accepted ones is given.
fn tokens(apps: &Apps<'_>) -> (Value, Vec<String>) {
    let words = ["get", "secret", SECRET, "--namespace", NAMESPACE];
    let mut secret = apps.kube.json(&words).unwrap();
    let times = secret["metadata"]["annotations"][TIMES]
        .as_str()
        .unwrap_or_default();
    let times = times.split(',').map(str::to_owned).collect();
    (secret["data"]["token"].take(), times)
}

/// Says since when the tokens are given. The operator looks at Secrets when it starts, and else
/// only every few minutes.
fn look_again(apps: &Apps<'_>, times: &str) {
    let said = format!("{TIMES}={times}");
    let words = [
        "annotate",
        "secret",
        SECRET,
        &said,
        "--overwrite",
        "--namespace",
        NAMESPACE,
    ];
    apps.kube.run(&words).unwrap();
    for verb in ["restart", "status"] {
        let words = [
            "rollout",
            verb,
            "deployment/dapr-operator",
            "--namespace",
            CONTROL_PLANE,
        ];
        apps.kube.run(&words).unwrap();
    }
}
