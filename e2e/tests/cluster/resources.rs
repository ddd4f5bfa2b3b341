//! What people apply, change and delete reaches the sidecars that run.

use std::{thread, time::Duration};

use cluster::until;
use e2e::{Apps, NAMESPACE, steps::pod};
use serde_json::Value;

use crate::{late, stage::stage};

const CONFIGURATION: &str = include_str!("../../manifests/hot/configuration.yaml");
const OLDER: &str = include_str!("../../manifests/hot/subscription-v1alpha1.yaml");
const NEWER: &str = include_str!("../../manifests/hot/subscription-v2alpha1.yaml");
/// A sidecar waits for the shutdown delay before it takes over what it can't change as it runs.
const SETTINGS: &str = "dapr.io/config: hot\n        trilby.dev/shutdown-delay-seconds: \"0\"";
/// Changes come at once, but a sidecar that starts its runtime anew for one takes seconds, and its
/// container some more when Kubernetes starts it.
const SOON: Duration = Duration::from_mins(1);

/// Objects of a kind with one value that changes, and how a sidecar shows it.
struct Case {
    manifest: &'static str,
    /// Where the sidecar's metadata lists objects of the kind.
    listed: &'static str,
    values: [&'static str; 2],
    shows: fn(&Sidecar<'_>, &str) -> bool,
}

const CASES: [Case; 5] = [
    Case {
        manifest: include_str!("../../manifests/hot/component.yaml"),
        listed: "components",
        values: ["state.in-memory", "bindings.http"],
        shows: |sidecar, kind| sidecar.lists("components", kind),
    },
    Case {
        manifest: OLDER,
        listed: "subscriptions",
        values: ["hot-a", "hot-b"],
        shows: |sidecar, topic| sidecar.lists("subscriptions", topic),
    },
    Case {
        manifest: NEWER,
        listed: "subscriptions",
        values: ["hot-c", "hot-d"],
        shows: |sidecar, topic| sidecar.lists("subscriptions", topic),
    },
    Case {
        manifest: include_str!("../../manifests/hot/resiliency.yaml"),
        listed: "resiliencies",
        values: ["30s", "1ns"],
        shows: |sidecar, patience| {
            sidecar.answer("call/back/hello").is_some() == (patience == "30s")
        },
    },
    Case {
        manifest: include_str!("../../manifests/hot/httpendpoint.yaml"),
        listed: "httpEndpoints",
        values: ["back", "front"],
        shows: |sidecar, app| {
            let answer = sidecar.answer("call/hot-endpoint/hello");
            answer.is_some_and(|pod| pod.starts_with(app))
        },
    },
];

#[test]
fn a_sidecar_follows_what_is_applied_changed_and_deleted() {
    stage(|_, apps| {
        let sidecar = Sidecar { apps };
        sidecar.start();
        for case in &CASES {
            for value in case.values {
                sidecar.apply(case.manifest, value);
                sidecar.comes_to(&format!("{} show {value}", case.listed), |sidecar| {
                    sidecar.lists(case.listed, "hot") && (case.shows)(sidecar, value)
                });
            }
            sidecar.delete(case.manifest);
            sidecar.comes_to(&format!("{} are empty", case.listed), |sidecar| {
                let listed = sidecar.list(case.listed);
                listed.is_some_and(|listed| !listed.contains("hot"))
            });
        }
        sidecar.follows_its_configuration();
        sidecar.stop();
    });
}

/// Lists a Subscription of either version in both until `meanwhile` is over; no list may fail.
pub(crate) fn while_subscriptions_are_listed(apps: &Apps<'_>, meanwhile: impl FnOnce() + Send) {
    let sidecar = Sidecar { apps };
    sidecar.apply(OLDER, "older");
    sidecar.apply(NEWER, "newer");
    thread::scope(|scope| {
        let busy = scope.spawn(meanwhile);
        let mut lists = 0;
        while !busy.is_finished() {
            list_in_both_versions(apps);
            lists += 1;
        }
        println!("{lists} lists of Subscriptions in either version, none failed");
    });
    sidecar.delete(OLDER);
    sidecar.delete(NEWER);
}

fn list_in_both_versions(apps: &Apps<'_>) {
    for version in ["v1alpha1", "v2alpha1"] {
        let path = format!("/apis/dapr.io/{version}/namespaces/{NAMESPACE}/subscriptions");
        let list = apps.kube.run(&["get", "--raw", &path]).unwrap();
        let both = list.contains("hot-older") && list.contains("hot-newer");
        assert!(both, "{version}: {list}");
    }
}

/// The sidecar of an application that is there for these tests.
struct Sidecar<'a> {
    apps: &'a Apps<'a>,
}

// === impl Sidecar ===

impl Sidecar<'_> {
    fn start(&self) {
        self.apply(CONFIGURATION, "ActorStateTTL");
        late::start(self.apps, "hot", SETTINGS);
        self.enables("ActorStateTTL");
    }

    /// Changes the Configuration; without one the sidecar ends, as it does with Dapr's operator,
    /// and it starts as soon as there is one again.
    fn follows_its_configuration(&self) {
        self.apply(CONFIGURATION, "WorkflowHistorySigning");
        self.enables("WorkflowHistorySigning");
        self.delete(CONFIGURATION);
        self.comes_to("it ends without its Configuration", |sidecar| {
            sidecar.answer("metadata").is_none()
        });
        self.apply(CONFIGURATION, "ActorStateTTL");
        self.enables("ActorStateTTL");
    }

    fn stop(&self) {
        let words = ["delete", "deployment", "hot", "--namespace", NAMESPACE];
        self.apps.kube.run(&words).unwrap();
        self.delete(CONFIGURATION);
    }

    fn enables(&self, feature: &str) {
        self.comes_to(&format!("it enables {feature}"), |sidecar| {
            sidecar.lists("enabledFeatures", feature)
        });
    }

    fn apply(&self, manifest: &str, value: &str) {
        let manifest = manifest.replace("${VALUE}", value);
        self.apps.kube.apply(&manifest).unwrap();
    }

    fn delete(&self, manifest: &str) {
        let words = ["delete", "--filename=-"];
        self.apps.kube.feed(&words, manifest).unwrap();
    }

    fn comes_to(&self, what: &str, state: impl Fn(&Self) -> bool) {
        until(what, SOON, || Ok(state(self).then_some(()))).unwrap();
    }

    /// Whether a list of the sidecar's metadata contains a word.
    fn lists(&self, list: &str, word: &str) -> bool {
        self.list(list).is_some_and(|list| list.contains(word))
    }

    /// A list of the sidecar's metadata as JSON; none while the sidecar does not answer.
    fn list(&self, name: &str) -> Option<String> {
        let metadata: Value = serde_json::from_str(&self.answer("metadata")?).ok()?;
        Some(metadata[name].to_string())
    }

    /// What the application answers, if it does so with success.
    fn answer(&self, path: &str) -> Option<String> {
        let pod = pod(self.apps.kube, "hot").ok()?;
        self.apps.kube.call(&pod, path, None).ok()
    }
}
