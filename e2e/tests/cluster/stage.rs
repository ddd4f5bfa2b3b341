//! What every test stands on.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cluster::{Cluster, until};
use e2e::{Apps, Images, Install, Kube, NAMESPACE};
use serde_json::Value;

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

pub(crate) fn local_cluster() -> Cluster {
    Cluster::new(&workspace()).unwrap()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// Installs the release and starts the applications; what is there already takes no time. What a
/// test before left differently is put right, so that no failure causes another.
pub(crate) fn stage(test: impl FnOnce(&Install<'_>, &Apps<'_>)) {
    let workspace = workspace();
    let kube = Kube::local(&local_cluster());
    let registry = "docker.io/local".to_owned();
    let images = Images {
        registry,
        tag: variable("TRILBY_TAG"),
        daprd: variable("TRILBY_DAPRD"),
    };
    let install = Install {
        kube: &kube,
        workspace: &workspace,
        images: &images,
    };
    install.up().unwrap();
    let image = format!("{}/testapp:{}", images.registry, images.tag);
    let apps = Apps { kube: &kube, image };
    apps.up().unwrap_or_else(|error| panic!("{error:#}"));
    settled(&apps);
    test(&install, &apps);
}

/// Waits until no pod is on its way out. Those of a test that is over need not take their time; of
/// front and back others may know the addresses for a while.
pub(crate) fn settled(apps: &Apps<'_>) {
    let words = ["get", "pods", "--namespace", NAMESPACE];
    let settled = || {
        let pods = apps.kube.json(&words)?;
        let pods = pods["items"].as_array().into_iter().flatten();
        let leaving: Vec<_> = pods.filter_map(time_to_leave).collect();
        for (name, _) in leaving
            .iter()
            .filter(|(name, left)| *left > 1 && !lasts(name))
        {
            let words = ["delete", "pod", name, "--namespace", NAMESPACE];
            let now = ["--grace-period=1", "--wait=false", "--ignore-not-found"];
            apps.kube.run(&[&words[..], &now].concat())?;
        }
        Ok(leaving.is_empty().then_some(()))
    };
    until("old pods are gone", Duration::from_mins(1), settled).unwrap();
}

fn lasts(pod: &str) -> bool {
    ["front-", "back-"].iter().any(|app| pod.starts_with(app))
}

/// The name of a pod that is on its way out, and how many seconds it was given.
fn time_to_leave(pod: &Value) -> Option<(&str, u64)> {
    let metadata = &pod["metadata"];
    let seconds = metadata["deletionGracePeriodSeconds"].as_u64()?;
    Some((metadata["name"].as_str()?, seconds))
}
