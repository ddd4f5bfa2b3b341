//! Calls at a steady rate from within an application's pod.

use std::time::Duration;

use cluster::until;
use e2e::{Apps, steps::pod};
use serde_json::{Value, json};

/// The API of an application's daprd, wherever that is.
pub(crate) const DAPR: &str = "/v1.0";

/// Has an application call the URLs in turn; returns the count and what failed.
pub(crate) fn call(apps: &Apps<'_>, app: &str, urls: &[String], rate: u32, seconds: u64) -> Value {
    run(
        apps,
        app,
        &json!({"urls": urls, "rate": rate, "seconds": seconds}),
    )
}

/// Has an application do what `load` says, in the words of its `/load`.
pub(crate) fn run(apps: &Apps<'_>, app: &str, load: &Value) -> Value {
    let from = pod(apps.kube, app).unwrap();
    let outcome = apps.kube.call(&from, "load", Some(&load.to_string()));
    serde_json::from_str(&outcome.unwrap()).unwrap()
}

/// Waits until an application answers at this path.
pub(crate) fn reached(apps: &Apps<'_>, app: &str, path: &str, within: Duration) {
    until(&format!("{app} answers at {path}"), within, || {
        Ok(apps.kube.call(&pod(apps.kube, app)?, path, None).ok())
    })
    .unwrap();
}
