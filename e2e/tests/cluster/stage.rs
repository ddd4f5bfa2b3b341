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

/// Waits until no pod is on its way out.
pub(crate) fn settled(apps: &Apps<'_>) {
    let words = ["get", "pods", "--namespace", NAMESPACE];
    let settled = || {
        let pods = apps.kube.json(&words)?;
        let leaving = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
        let any = pods["items"]
            .as_array()
            .is_some_and(|all| all.iter().any(leaving));
        Ok((!any).then_some(()))
    };
    until("old pods are gone", Duration::from_mins(1), settled).unwrap();
}
