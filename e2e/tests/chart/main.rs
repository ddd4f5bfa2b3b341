//! The chart: what it renders, what it refuses, and what an API server says to it.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod dry_run;
mod messages;
mod observability;
mod original;
mod renderings;
mod revisions;
mod traps;
mod values;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use cluster::output;
use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `helm template` as all tests use it, with these words at its end.
fn render(words: &[&str]) -> Result<String> {
    let mut helm = Command::new(workspace().join(".cache/bin/helm"));
    helm.args(["template", "dapr"])
        .arg(workspace().join("charts/dapr"));
    helm.args(["--namespace", "dapr-system", "--kube-version", "1.36.0"]);
    output(helm.args(words))
}

/// The objects that come of these values, given as to `--set`.
fn objects(values: &[&str]) -> Vec<Value> {
    let words: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    parsed(&render(&words).unwrap())
}

fn parsed(rendered: &str) -> Vec<Value> {
    config::yaml::documents(rendered).unwrap()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of_kind = |object: &&Value| object["kind"] == kind;
    objects.iter().filter(of_kind).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = of_kind(objects, kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name);
    found.unwrap_or(&Value::Null)
}

/// The workloads of the control plane.
fn workloads(objects: &[Value]) -> Vec<&Value> {
    [
        of_kind(objects, "Deployment"),
        of_kind(objects, "StatefulSet"),
    ]
    .concat()
}
