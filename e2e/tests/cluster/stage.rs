//! What every test stands on.

use std::path::{Path, PathBuf};

use cluster::Cluster;
use e2e::{Apps, Images, Install, Kube};

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

/// Installs the release and starts the applications; what is there already takes no time.
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
    test(&install, &apps);
}
