//! An actor's memory stays in one pod of the app, whichever instance is asked.

use std::{collections::BTreeMap, thread, time::Duration};

use e2e::{Apps, NAMESPACE, modes::Moded, steps::pod};
use serde_json::{Value, json};

use super::{SHARED, instance};
use crate::{
    load::{self, DAPR},
    stage::stage,
};

const RATE: usize = 250;
const SECONDS: usize = 40;
const ACTORS: usize = 20;
const SOON: Duration = Duration::from_mins(1);

#[test]
fn no_actor_is_split_over_three_pods_and_two_instances_when_a_pod_dies() {
    stage(|_, apps| {
        instance(apps, "ring", &json!({"replicas": 2}));
        let app = Moded {
            replicas: 3,
            actors: true,
            ..Moded::new("ring", SHARED)
        };
        app.up(apps).unwrap();
        load::reached(apps, "ring", "count/first", SOON);
        let outcome = thread::scope(|scope| {
            let visits = scope.spawn(|| visit(apps));
            thread::sleep(Duration::from_secs(10));
            let dies = pod(apps.kube, "ring").unwrap();
            let words = [
                "delete",
                "pod",
                &dies,
                "--namespace",
                NAMESPACE,
                "--wait=false",
            ];
            apps.kube.run(&words).unwrap();
            visits.join().unwrap()
        });
        let lives = lives(&outcome);
        println!(
            "{} calls, {} failed, {} lives of {ACTORS} actors",
            outcome["calls"],
            outcome["failed"],
            lives.values().sum::<usize>()
        );
        assert_eq!(outcome["failed"], 0, "{}", outcome["failures"]);
        // One for its first pod, one after its end, and one in the pod that came instead.
        assert!(lives.values().all(|lives| *lives <= 3), "{lives:?}");
        app.down(apps).unwrap();
    });
}

fn visit(apps: &Apps<'_>) -> Value {
    let url = |actor: usize| format!("{DAPR}/actors/ring/actor-{actor}/method/visit");
    let urls: Vec<_> = (0..ACTORS).map(url).collect();
    let load = json!({"urls": urls, "rate": RATE, "seconds": SECONDS, "keep": true});
    load::run(apps, "front", &load)
}

/// How often each actor began anew. In between every visit is in the same pod and counts one more.
fn lives(outcome: &Value) -> BTreeMap<String, usize> {
    let mut last: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut lives = BTreeMap::new();
    for answer in outcome["answers"].as_array().into_iter().flatten() {
        let (actor, said) = (answer[0].as_str().unwrap(), answer[1].as_str().unwrap());
        let (pod, count) = said.split_once(' ').unwrap();
        let count: u64 = count.parse().unwrap();
        let before = last.insert(actor.to_owned(), (pod.to_owned(), count));
        let goes_on = before.is_some_and(|before| before == (pod.to_owned(), count - 1));
        *lives.entry(actor.to_owned()).or_default() += usize::from(!goes_on);
    }
    lives
}
