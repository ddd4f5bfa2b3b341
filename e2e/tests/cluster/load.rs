//! Calls at a steady rate from within an application's pod.

use e2e::{Apps, steps::pod};
use serde_json::{Value, json};

/// A sidecar's API, from its application.
pub(crate) const SIDECAR: &str = "http://127.0.0.1:3500/v1.0";

/// Has an application call the URLs in turn; returns the count and what failed.
pub(crate) fn call(apps: &Apps<'_>, app: &str, urls: &[String], rate: u32, seconds: u64) -> Value {
    let load = json!({"urls": urls, "rate": rate, "seconds": seconds}).to_string();
    let from = pod(apps.kube, app).unwrap();
    let outcome = apps.kube.call(&from, "load", Some(&load)).unwrap();
    serde_json::from_str(&outcome).unwrap()
}
