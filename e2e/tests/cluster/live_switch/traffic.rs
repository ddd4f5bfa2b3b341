//! Applications that call each other all the time, in every way there is.

use std::thread;

use e2e::Apps;
use serde_json::{Value, json};

use crate::load::{self, DAPR};

/// Calls per second of each application and each way.
const RATE: u32 = 10;
/// Seconds after which failures are looked for.
const ROUND: u32 = 5;

/// Every application calls every other one, the actors, the state store and the broker while
/// `work` goes on, and for some seconds longer. No call may fail.
pub(crate) fn during<T: Send>(
    apps: &Apps<'_>,
    names: &[String],
    work: impl FnOnce() -> T + Send,
) -> T {
    thread::scope(|scope| {
        let working = scope.spawn(work);
        let (mut calls, mut last) = (0, false);
        while !last {
            last = working.is_finished();
            calls += round(apps, names);
        }
        println!("{calls} calls of {}, none failed", names.join(", "));
        working.join().unwrap()
    })
}

fn round(apps: &Apps<'_>, names: &[String]) -> u64 {
    let orders = orders(names);
    thread::scope(|scope| {
        let orders = names
            .iter()
            .flat_map(|name| orders.iter().map(move |order| (name, order)));
        let rounds: Vec<_> = orders
            .map(|(name, order)| scope.spawn(move || load::run(apps, name, order)))
            .collect();
        let outcomes = rounds.into_iter().map(|round| round.join().unwrap());
        outcomes.map(|outcome| succeeded(&outcome)).sum()
    })
}

fn succeeded(outcome: &Value) -> u64 {
    assert_eq!(outcome["failed"], 0, "{outcome}");
    outcome["calls"].as_u64().unwrap()
}

/// What each application does: one order for all that is read, one for each that is written.
fn orders(names: &[String]) -> [Value; 3] {
    let mut reads: Vec<String> = names
        .iter()
        .map(|name| format!("{DAPR}/invoke/{name}/method/hello"))
        .collect();
    reads.push(format!("{DAPR}/actors/counter/one/method/increment"));
    reads.push(format!("{DAPR}/state/statestore/switched"));
    let write = |url: &str, body: &str| json!({"urls": [format!("{DAPR}/{url}")], "body": body, "rate": RATE, "seconds": ROUND});
    [
        json!({"urls": reads, "rate": RATE, "seconds": ROUND}),
        write("state/statestore", r#"[{"key": "switched", "value": #}]"#),
        write("publish/pubsub/orders", r#"{"order": #}"#),
    ]
}
