//! What comes from brokers and callers, and to which pods it goes.

use std::{collections::BTreeMap, thread, time::Duration};

use cluster::until;
use e2e::{
    Apps, NAMESPACE,
    modes::{Moded, rolled_out},
    steps::pod,
};
use serde_json::{Value, json};

use super::{SHARED, broker, instances, ledger, live};
use crate::{
    load::{self, DAPR},
    stage::stage,
};

/// Events per second.
const RATE: u64 = 1000;
const SECONDS: u64 = 40;
const SOON: Duration = Duration::from_mins(2);

/// The broker repeats what was not acknowledged, so some may come twice; none may be missing.
#[test]
fn no_event_is_lost_while_the_app_and_its_instance_are_rolled_out_anew() {
    stage(|_, apps| {
        broker(apps);
        let app = Moded {
            replicas: 2,
            ..Moded::new("orders-in", SHARED)
        };
        app.up(apps).unwrap();
        thread::scope(|scope| {
            let published = scope.spawn(|| publish(apps, "front", "orders-in"));
            for workload in ["deployment/orders-in", "deployment/orders-in-shared"] {
                thread::sleep(Duration::from_secs(5));
                let words = ["rollout", "restart", workload, "--namespace", NAMESPACE];
                apps.kube.run(&words).unwrap();
                rolled_out(apps, workload).unwrap();
            }
            assert_eq!(published.join().unwrap()["failed"], 0);
        });
        let expected = usize::try_from(RATE * SECONDS).unwrap();
        let all = || Ok(Some(ledger(apps)).filter(|counts| counts.len() == expected));
        let counts = until("all events have arrived", SOON, all)
            .unwrap_or_else(|error| panic!("{error:#}: {} of {expected}", ledger(apps).len()));
        let twice = counts.values().filter(|count| **count > 1).count();
        println!("{expected} events at {RATE} a second: none lost, {twice} came again");
        app.down(apps).unwrap();
    });
}

/// Publishes the numbers from 0.
fn publish(apps: &Apps<'_>, from: &str, topic: &str) -> Value {
    let load = json!({
        "urls": [format!("{DAPR}/publish/broker/{topic}")], "body": "#",
        "rate": RATE, "seconds": SECONDS,
    });
    load::run(apps, from, &load)
}

#[test]
fn calls_spread_evenly_over_ten_pods_by_grpc_also_after_a_scale_up() {
    stage(|_, apps| {
        for replicas in [10, 13] {
            let app = Moded {
                replicas,
                grpc: true,
                ..Moded::new("many", SHARED)
            };
            app.up(apps).unwrap();
            let answered = answers(apps, "many");
            let (least, most) = (answered.values().min(), answered.values().max());
            println!("{replicas} pods: {least:?} to {most:?} of 2000 calls");
            assert_eq!(answered.len(), usize::from(replicas), "{answered:?}");
            let fair = 2000 / usize::from(replicas);
            let even = |count: &usize| count.abs_diff(fair) * 5 <= fair;
            assert!(answered.values().all(even), "{answered:?}");
        }
        Moded::new("many", SHARED).down(apps).unwrap();
    });
}

/// How many of 2,000 invocations each pod answered.
fn answers(apps: &Apps<'_>, app: &str) -> BTreeMap<String, usize> {
    let ready = || {
        Ok(apps
            .kube
            .call(
                &pod(apps.kube, "front")?,
                &format!("call/{app}/hello"),
                None,
            )
            .ok())
    };
    until("a sidecar finds the shared daprd", SOON, ready).unwrap();
    let url = format!("{DAPR}/invoke/{app}/method/hello");
    let load = json!({"urls": [url], "rate": 200, "seconds": 10, "keep": true});
    let outcome = load::run(apps, "front", &load);
    assert_eq!(outcome["failed"], 0, "{outcome}");
    let mut counts = BTreeMap::new();
    for answer in outcome["answers"].as_array().into_iter().flatten() {
        let pod = answer[1].as_str().unwrap_or_default().to_owned();
        *counts.entry(pod).or_default() += 1;
    }
    counts
}

#[test]
fn an_event_for_an_app_at_zero_is_held_until_it_wakes_and_delivered_once() {
    stage(|_, apps| {
        broker(apps);
        let app = Moded::new("sleeper", SHARED);
        app.up(apps).unwrap();
        app.scale(apps, 0).unwrap();
        let none = || Ok(live(apps, "app=sleeper").is_empty().then_some(()));
        until("the app is at zero", SOON, none).unwrap();
        let front = pod(apps.kube, "front").unwrap();
        let metadata = json!({"urls": [format!("{DAPR}/publish/broker/sleeper")], "body": "5", "rate": 1, "seconds": 1});
        apps.kube
            .call(&front, "load", Some(&metadata.to_string()))
            .unwrap();
        let held = || Ok((pending(apps, "sleeper") > 0).then_some(()));
        until("the instance asks for the app", SOON, held).unwrap();
        assert_eq!(
            instances(apps, "sleeper").len(),
            1,
            "the instance stays ready"
        );
        assert!(ledger(apps).is_empty());
        app.scale(apps, 1).unwrap();
        rolled_out(apps, "deployment/sleeper").unwrap();
        let arrived = || Ok(Some(ledger(apps)).filter(|counts| !counts.is_empty()));
        let counts = until("the event arrives", SOON, arrived).unwrap();
        assert_eq!(counts, BTreeMap::from([(5, 1)]));
        thread::sleep(Duration::from_secs(8));
        assert_eq!(ledger(apps), counts, "nothing is delivered again");
        app.down(apps).unwrap();
    });
}

/// How many calls wait for the app, as autoscalers read it.
fn pending(apps: &Apps<'_>, name: &str) -> u64 {
    let pods = instances(apps, name);
    let names = pods
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str());
    let of = |pod: &str| {
        let uri = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:3511/proxy/scale");
        let said = apps.kube.run(&["get", "--raw", &uri]).ok()?;
        serde_json::from_str::<Value>(&said).ok()?["pending"].as_u64()
    };
    names.filter_map(of).sum()
}
