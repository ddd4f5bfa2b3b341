//! A clock that ticks in every instance, and an app that hears each tick once.

use std::{collections::BTreeMap, thread, time::Duration};

use cluster::until;
use e2e::{Apps, NAMESPACE, modes::Moded};
use serde_json::{Value, json};

use super::{SHARED, broker, instance, instances};
use crate::stage::stage;

const SOON: Duration = Duration::from_mins(1);
/// Long enough for the leader's successor to be found, should the leader die without a word.
const WHILE: Duration = Duration::from_secs(30);

#[test]
fn a_clock_ticks_once_for_two_instances_also_when_the_leader_is_deleted() {
    stage(|_, apps| {
        broker(apps);
        instance(apps, "clock", &json!({"replicas": 2}));
        apps.kube.apply(&component().to_string()).unwrap();
        Moded::new("clock", SHARED).up(apps).unwrap();
        let both = || Ok((instances(apps, "clock").len() == 2).then_some(()));
        until("both instances are ready", SOON, both).unwrap();
        let begun = || Ok((ticks(apps).len() >= 3).then_some(()));
        until("the clock ticks", SOON, begun).unwrap();
        let settled = ticks(apps).len();
        thread::sleep(WHILE);
        let (twice, missed) = judged(&ticks(apps), settled);
        println!("two instances: {twice} ticks came twice, {missed} never");
        assert_eq!((twice, missed), (0, 0), "{:?}", ticks(apps));

        let (led, settled) = (leader(apps), ticks(apps).len());
        let words = [
            "delete",
            "pod",
            &led,
            "--namespace",
            NAMESPACE,
            "--wait=false",
        ];
        apps.kube.run(&words).unwrap();
        let another = || Ok(Some(leader(apps)).filter(|now| *now != led));
        until("another instance leads", SOON, another).unwrap();
        thread::sleep(WHILE);
        let (twice, missed) = judged(&ticks(apps), settled);
        println!("after the leader was deleted: {twice} ticks came twice, {missed} never");
        assert!(twice <= 1 && missed == 0, "{:?}", ticks(apps));
        Moded::new("clock", SHARED).down(apps).unwrap();
        apps.kube
            .run(&["delete", "component", "clock", "--namespace", NAMESPACE])
            .unwrap();
    });
}

/// At every even second of the wall clock, so that all instances tick at once.
fn component() -> Value {
    json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component",
        "metadata": {"name": "clock", "namespace": NAMESPACE}, "scopes": ["clock"],
        "spec": {"type": "bindings.cron", "version": "v1", "metadata": [
            {"name": "schedule", "value": "*/2 * * * * *"},
            {"name": "direction", "value": "input"},
            {"name": "route", "value": "/ticks"},
        ]},
    })
}

/// How often each second was told, by the second of the day.
fn ticks(apps: &Apps<'_>) -> BTreeMap<u64, usize> {
    let data = apps.kube.call("ledger", "received/data", None).unwrap();
    let data: Vec<Value> = serde_json::from_str(&data).unwrap();
    let mut counts = BTreeMap::new();
    for second in data.iter().filter_map(|data| second(data.as_str()?)) {
        *counts.entry(second).or_default() += 1;
    }
    counts
}

/// Of a time as Go prints it: `2026-01-02 03:04:05.678 +0000 UTC`.
fn second(time: &str) -> Option<u64> {
    let clock = time.get(11..19)?;
    let parts: Option<Vec<u64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    parts.map(|parts| parts.iter().fold(0, |sum, part| sum * 60 + part))
}

/// How many of the ticks from the given one on came more than once, and how many never.
fn judged(ticks: &BTreeMap<u64, usize>, from: usize) -> (usize, usize) {
    let ticks: Vec<(u64, usize)> = ticks
        .iter()
        .skip(from)
        .map(|(at, count)| (*at, *count))
        .collect();
    let twice = ticks.iter().filter(|(_, count)| *count > 1).count();
    let gap = |pair: &[(u64, usize)]| (pair[1].0 - pair[0].0) / 2;
    let gaps = ticks.windows(2).map(gap).filter(|gap| *gap > 1);
    let missed = gaps.map(|gap| usize::try_from(gap - 1).unwrap()).sum();
    (twice, missed)
}

/// The pod that holds the Lease.
fn leader(apps: &Apps<'_>) -> String {
    let words = ["get", "lease", "clock-shared", "--namespace", NAMESPACE];
    let lease = apps.kube.json(&words).unwrap();
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    holder
        .rsplit_once('_')
        .map_or(String::new(), |(pod, _)| pod.to_owned())
}
