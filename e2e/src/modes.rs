//! One application, with its daprd where an annotation says.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster::until;
use serde_json::Value;

use crate::{Apps, Kube, NAMESPACE, steps::pod};

const MANIFEST: &str = include_str!("../manifests/moded-app.yaml");
const UP: Duration = Duration::from_mins(2);

/// An application; its name is its app ID, its topic and its actor type.
#[derive(Clone, Copy, Debug)]
pub struct Moded<'a> {
    /// Its name.
    pub name: &'a str,
    /// `trilby.dev/mode`; without one it has no daprd at all.
    pub mode: Option<&'a str>,
    /// How many pods.
    pub replicas: u8,
    /// Whether daprd calls it by gRPC.
    pub grpc: bool,
    /// Whether it hosts actors.
    pub actors: bool,
}

// === impl Moded ===

impl<'a> Moded<'a> {
    /// One pod that is called by HTTP.
    pub const fn new(name: &'a str, mode: Option<&'a str>) -> Self {
        Self {
            name,
            mode,
            replicas: 1,
            grpc: false,
            actors: false,
        }
    }

    /// Deploys it, and waits until it and its instance, if it has one, are ready.
    ///
    /// # Errors
    /// If something is refused, or takes minutes.
    pub fn up(&self, apps: &Apps<'_>) -> Result<()> {
        let (protocol, port) = if self.grpc {
            ("grpc", "3001")
        } else {
            ("http", "3000")
        };
        let manifest = MANIFEST
            .replace("${NAME}", self.name)
            .replace("${ENABLED}", &self.mode.is_some().to_string())
            .replace("${MODE}", self.mode.unwrap_or("sidecar"))
            .replace("${REPLICAS}", &self.replicas.to_string())
            .replace("${PROTOCOL}", protocol)
            .replace("${APP_PORT}", port)
            .replace("${ACTORS}", &self.actors.to_string())
            .replace("${IMAGE}", &apps.image);
        apps.kube.apply(&manifest)?;
        rolled_out(apps, &format!("deployment/{}", self.name))?;
        match self.mode.and_then(|mode| mode.strip_prefix("shared-")) {
            Some(kind) => rolled_out(apps, &format!("{kind}/{}-shared", self.name)),
            None => Ok(()),
        }
    }

    /// Removes it and its instance.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn down(&self, apps: &Apps<'_>) -> Result<()> {
        let there = ["--namespace", NAMESPACE, "--ignore-not-found"];
        for kind in ["deployment", "sharedinstance"] {
            let words = ["delete", kind, self.name, "--wait=false"];
            apps.kube.run(&[&words[..], &there].concat())?;
        }
        Ok(())
    }

    /// How many pods it shall have.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn scale(&self, apps: &Apps<'_>, replicas: u8) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        let words = ["scale", "deployment", self.name, &replicas];
        apps.kube
            .run(&[&words[..], &["--namespace", NAMESPACE]].concat())?;
        Ok(())
    }

    /// From no pod to a pod that got an answer: from daprd, or, without one, from itself.
    ///
    /// # Errors
    /// If that takes minutes.
    pub fn cold_start(&self, apps: &Apps<'_>) -> Result<Duration> {
        self.scale(apps, 0)?;
        let selector = format!("app={}", self.name);
        let none = || Ok(pods(apps.kube, &selector)?.is_empty().then_some(()));
        until("all pods are gone", UP, none)?;
        let path = self.mode.map_or("hello", |_| "state/nothing");
        let begun = Instant::now();
        self.scale(apps, 1)?;
        let answered = || {
            let name = first(apps.kube, &selector)?;
            Ok(name.and_then(|name| apps.kube.call(&name, path, None).ok()))
        };
        until("the new pod works", UP, answered)?;
        Ok(begun.elapsed())
    }

    /// Resident memory in bytes: of its pods, and of its instance's.
    ///
    /// # Errors
    /// If the kubelet does not tell.
    pub fn memory(&self, apps: &Apps<'_>) -> Result<(u64, u64)> {
        let ready = || Ok(pod(apps.kube, self.name).ok());
        let ready = until("the pod is ready", UP, ready)?;
        let node = apps.kube.json(&["get", "pod", &ready, "-n", NAMESPACE])?;
        let node = node["spec"]["nodeName"]
            .as_str()
            .context("a pod without a node")?
            .to_owned();
        let uri = format!("/api/v1/nodes/{node}/proxy/stats/summary");
        let stats: Value = serde_json::from_str(&apps.kube.run(&["get", "--raw", &uri])?)?;
        let of = |selector: String| -> Result<u64> {
            let pods = pods(apps.kube, &selector)?;
            Ok(pods.iter().map(|name| resident(&stats, name)).sum())
        };
        Ok((
            of(format!("app={}", self.name))?,
            of(format!("trilby.dev/instance={}", self.name))?,
        ))
    }
}

/// Waits until a workload is there and rolled out.
///
/// # Errors
/// If it is not within minutes; the message says how the pods are and what they were told.
pub fn rolled_out(apps: &Apps<'_>, workload: &str) -> Result<()> {
    let words = ["get", workload, "--namespace", NAMESPACE];
    let there = || Ok(apps.kube.run(&words).ok());
    let waited = until(&format!("{workload} is made"), UP, there);
    waited.with_context(|| told(apps))?;
    let words = ["rollout", "status", workload, "--timeout=2m"];
    let status = apps
        .kube
        .run(&[&words[..], &["--namespace", NAMESPACE]].concat());
    status.with_context(|| told(apps))?;
    Ok(())
}

/// How the pods and instances are, and what was told about them.
pub fn told(apps: &Apps<'_>) -> String {
    let words = [
        "get",
        "pods,sharedinstances,events",
        "--namespace",
        NAMESPACE,
    ];
    apps.kube
        .run(&words)
        .unwrap_or_else(|error| format!("{error:#}"))
}

fn pods(kube: &Kube, selector: &str) -> Result<Vec<String>> {
    let words = ["get", "pods", "--selector", selector, "-n", NAMESPACE];
    let pods = kube.json(&words)?;
    let items = pods["items"].as_array().into_iter().flatten();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
    Ok(items.filter_map(name).collect())
}

fn first(kube: &Kube, selector: &str) -> Result<Option<String>> {
    Ok(pods(kube, selector)?.pop())
}

/// Of all containers of a pod.
fn resident(stats: &Value, pod: &str) -> u64 {
    let pods = stats["pods"].as_array().into_iter().flatten();
    let pods = pods.filter(|one| one["podRef"]["name"] == pod);
    let containers = pods.filter_map(|pod| pod["containers"].as_array());
    let resident = |one: &Value| one["memory"]["rssBytes"].as_u64();
    containers.flatten().filter_map(resident).sum()
}
