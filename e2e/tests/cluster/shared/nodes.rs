//! One instance on each node, and a node that is lost.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use cluster::until;
use e2e::{Apps, modes::Moded};
use serde_json::{Value, json};

use super::{instances, live};
use crate::{
    load::DAPR,
    stage::{local_cluster, stage},
};

const RATE: u64 = 20;
const SECONDS: u64 = 60;
/// The longest outage for the pods of the other node.
const BOUND: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_mins(2);
/// How the machine reaches its second node.
const LINK: &str = "trilby-2";

/// The second node, cut off as long as this lives.
struct CutOff;

#[test]
#[ignore = "needs two nodes: `cargo xtask cluster up --nodes 2`, then `cargo xtask test --keep-cluster`"]
fn the_loss_of_a_node_is_hardly_noticed_on_the_other() {
    let nodes = local_cluster().node_names().unwrap();
    assert_eq!(nodes.len(), 2, "two nodes are needed");
    stage(|_, apps| {
        let app = Moded {
            replicas: 4,
            ..Moded::new("nodal", Some("shared-daemonset"))
        };
        app.up(apps).unwrap();
        let on_both = || Ok((on(&instances(apps, "nodal"), &nodes[1]).len() == 1).then_some(()));
        until("each node has its instance", SOON, on_both).unwrap();
        let pods = live(apps, "app=nodal");
        let (here, there) = (on(&pods, &nodes[0]), on(&pods, &nodes[1]));
        assert!(!there.is_empty(), "no pod is on the node that will be lost");
        let caller = here.first().expect("a pod is on the node that stays");
        // To daprd, and from it back to one of the app's pods, wherever that is.
        let urls = [
            format!("{DAPR}/metadata"),
            format!("{DAPR}/invoke/nodal/method/hello"),
        ];
        for url in urls {
            let outcome = thread::scope(|scope| {
                let calls = scope.spawn(|| call(apps, caller, &url));
                thread::sleep(Duration::from_secs(10));
                let _lost = CutOff::new();
                calls.join().unwrap()
            });
            let failed = outcome["failed"].as_u64().unwrap();
            let outage = Duration::from_millis(failed * 1000 / RATE);
            println!(
                "{url}: {failed} of {} calls failed, {outage:?}",
                outcome["calls"]
            );
            assert!(outage < BOUND, "{url}: {}", outcome["failures"]);
            let back = || Ok((live(apps, "app=nodal").len() == pods.len()).then_some(()));
            until("the node is back", SOON, back).unwrap();
        }
        app.down(apps).unwrap();
    });
}

fn call(apps: &Apps<'_>, pod: &str, url: &str) -> Value {
    let load = json!({"urls": [url], "rate": RATE, "seconds": SECONDS, "keep": true});
    let outcome = apps.kube.call(pod, "load", Some(&load.to_string()));
    serde_json::from_str(&outcome.unwrap()).unwrap()
}

/// Those of the pods that are on a node.
fn on(pods: &[Value], node: &str) -> Vec<String> {
    let there = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node);
    there
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

// === impl CutOff ===

impl CutOff {
    /// Nothing comes from the node and nothing goes there. Its link stays up: with it would go the
    /// routes.
    fn new() -> Self {
        let rules = format!(
            "table inet trilby-cut {{\n\
             chain in {{ type filter hook prerouting priority -400; iifname \"{LINK}\" drop; }}\n\
             chain out {{ type filter hook postrouting priority 400; oifname \"{LINK}\" drop; }}\n\
             }}\n"
        );
        let mut nft = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin
            .take()
            .unwrap()
            .write_all(rules.as_bytes())
            .unwrap();
        assert!(nft.wait().unwrap().success());
        Self
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        let words = ["delete", "table", "inet", "trilby-cut"];
        let _ = Command::new("nft").args(words).status();
    }
}
