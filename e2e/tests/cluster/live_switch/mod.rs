//! A running cluster goes from Dapr's own control plane to ours and back, and nobody notices.

mod disks;
mod jobs;
pub(crate) mod releases;
pub(crate) mod traffic;

use e2e::{Apps, NAMESPACE, steps::pod};
use rstest::rstest;
use serde_json::Value;

use crate::{
    late,
    stage::{settled, stage},
};
use disks::Disks;
use releases::{Maker, Releases};
use traffic::during;

#[rstest]
fn to_ours_and_back_without_a_failed_call(#[values(false, true)] ha: bool) {
    stage(|install, apps| {
        let releases = Releases::prepare(install, ha);
        let disks = ha.then(|| Disks::make(install));
        releases.begin_with_the_original(apps);
        let mut names = vec!["front".to_owned(), "back".to_owned()];
        for name in &names {
            late::found(apps, &names, name);
        }
        let (before, root) = (Sidecars::of(apps), releases.root());
        for (round, maker) in [
            ("ours", Maker::Ours),
            ("original", Maker::Original),
            ("again", Maker::Ours),
        ] {
            during(apps, &names, || releases.switch(maker));
            assert!(
                releases.roots().contains(&root),
                "{round}: the root is gone"
            );
            assert_eq!(before.of_now(apps), before, "after the switch to {round}");
            names.push(join(apps, &names, round));
            during(apps, &names, || ());
        }
        assert_eq!(before.of_now(apps), before);
        late::leave(apps, &names);
        settled(apps);
        disks.iter().for_each(Disks::remove);
    });
}

/// The pods of the first two applications: which they are, and how often anything in them was
/// started again.
#[derive(Debug, PartialEq)]
struct Sidecars(Vec<(String, u64)>);

// === impl Sidecars ===

impl Sidecars {
    fn of(apps: &Apps<'_>) -> Self {
        let names = ["front", "back"].map(|app| pod(apps.kube, app).unwrap());
        Self(
            names
                .map(|name| (name.clone(), restarts(apps, &name)))
                .into(),
        )
    }

    /// The same pods as they are now; one that is gone is told by its absence.
    fn of_now(&self, apps: &Apps<'_>) -> Self {
        let pods = apps
            .kube
            .json(&["get", "pods", "--namespace", NAMESPACE])
            .unwrap();
        let there = |name: &String| {
            let mut pods = pods["items"].as_array().into_iter().flatten();
            pods.any(|pod| pod["metadata"]["name"] == **name)
        };
        let kept = self.0.iter().filter(|(name, _)| there(name));
        Self(
            kept.map(|(name, _)| (name.clone(), restarts(apps, name)))
                .collect(),
        )
    }
}

fn restarts(apps: &Apps<'_>, pod: &str) -> u64 {
    let words = ["get", "pod", pod, "--namespace", NAMESPACE];
    let pod = apps.kube.json(&words).unwrap();
    let containers = pod["status"]["containerStatuses"].as_array().cloned();
    let count = |one: &Value| one["restartCount"].as_u64();
    containers
        .unwrap_or_default()
        .iter()
        .filter_map(count)
        .sum()
}

/// Starts an application whose sidecar is injected by the control plane of now.
fn join(apps: &Apps<'_>, others: &[String], round: &str) -> String {
    let name = format!("since-{round}");
    late::start(apps, &name, "dapr.io/log-level: info");
    let all = [others, std::slice::from_ref(&name)].concat();
    late::found(apps, &all, &name);
    name
}
