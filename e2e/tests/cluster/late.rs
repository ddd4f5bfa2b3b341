//! Applications that come when others have run for a while.

use std::time::Duration;

use e2e::{Apps, NAMESPACE, modes::rolled_out};

use crate::load::reached;

const MANIFEST: &str = include_str!("../../manifests/late-app.yaml");
/// Until a sidecar has forgotten that an application was not there.
pub(crate) const FOUND: Duration = Duration::from_secs(90);

/// What there is of an application, with an annotation of its own.
pub(crate) fn manifest(apps: &Apps<'_>, name: &str, setting: &str) -> String {
    MANIFEST
        .replace("${NAME}", name)
        .replace("${SETTING}", setting)
        .replace("${IMAGE}", &apps.image)
}

/// Starts one and waits until it is ready.
pub(crate) fn start(apps: &Apps<'_>, name: &str, setting: &str) {
    apps.kube.apply(&manifest(apps, name, setting)).unwrap();
    rolled_out(apps, &format!("deployment/{name}")).unwrap();
}

/// Waits until all find an application: a sidecar may have asked before its Service was there.
pub(crate) fn found(apps: &Apps<'_>, names: &[String], name: &str) {
    for from in names {
        reached(apps, from, &format!("call/{name}/hello"), FOUND);
    }
}

/// Removes those that came after front and back.
pub(crate) fn leave(apps: &Apps<'_>, names: &[String]) {
    for name in names.iter().skip(2) {
        let words = ["delete", "deployment", name, "--namespace", NAMESPACE];
        apps.kube.run(&words).unwrap();
    }
}
