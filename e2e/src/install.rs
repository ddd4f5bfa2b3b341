//! Helm installs the control plane.

use std::path::Path;

use anyhow::{Context, Result};
use cluster::output;

use crate::Kube;

/// Where the control plane lives.
pub const CONTROL_PLANE: &str = "dapr-system";

/// The workloads of the control plane and the label `app` of their pods.
pub const SERVICES: [(&str, &str); 4] = [
    ("deployment/dapr-operator", "dapr-operator"),
    ("deployment/dapr-sentry", "dapr-sentry"),
    ("deployment/dapr-sidecar-injector", "dapr-sidecar-injector"),
    ("statefulset/dapr-placement-server", "dapr-placement-server"),
];

/// Where the images come from.
#[derive(Clone, Debug)]
pub struct Images {
    /// Registry of the control plane and the test application.
    pub registry: String,
    /// Their tag.
    pub tag: String,
    /// The sidecar, with registry and tag.
    pub daprd: String,
}

/// One release of the chart.
#[derive(Clone, Debug)]
pub struct Install<'a> {
    /// The cluster.
    pub kube: &'a Kube,
    /// The checkout, which holds the chart.
    pub workspace: &'a Path,
    /// The images.
    pub images: &'a Images,
}

// === impl Install ===

impl Install<'_> {
    /// Installs or upgrades, and waits until every pod of the control plane is ready.
    ///
    /// # Errors
    /// If Helm fails or a pod does not get ready within four minutes.
    pub fn up(&self) -> Result<()> {
        self.up_with(&[])
    }

    /// The same with more values, given as to `--set`.
    ///
    /// # Errors
    /// As [`Install::up`].
    pub fn up_with(&self, more: &[&str]) -> Result<()> {
        let chart = self.workspace.join("charts/dapr");
        let values = [
            format!("global.registry={}", self.images.registry),
            format!("global.tag={}", self.images.tag),
            format!("dapr_sidecar_injector.image.name={}", self.images.daprd),
        ];
        let mut helm = self.kube.helm(&["upgrade", "--install", "dapr"]);
        helm.arg(chart)
            .args(["--namespace", CONTROL_PLANE, "--create-namespace"]);
        helm.args(["--wait", "--timeout=4m"]);
        helm.args(values.iter().flat_map(|value| ["--set-string", value]));
        helm.args(more.iter().flat_map(|value| ["--set", value]));
        output(&mut helm).context("install the chart")?;
        self.ready()
    }

    /// Waits until every workload of the control plane is rolled out.
    ///
    /// # Errors
    /// If one is not within two minutes.
    pub fn ready(&self) -> Result<()> {
        for (workload, _) in SERVICES {
            let words = ["rollout", "status", workload, "--namespace", CONTROL_PLANE];
            self.kube.run(&[&words[..], &["--timeout=2m"]].concat())?;
        }
        Ok(())
    }

    /// Removes the release and its namespace. The CRDs stay, as Helm leaves them.
    ///
    /// # Errors
    /// If Helm or the API server refuses.
    pub fn down(&self) -> Result<()> {
        let words = ["uninstall", "dapr", "--namespace", CONTROL_PLANE];
        output(
            &mut self
                .kube
                .helm(&[&words[..], &["--ignore-not-found", "--wait"]].concat()),
        )?;
        let words = ["delete", "namespace", CONTROL_PLANE, "--ignore-not-found"];
        self.kube.run(&words)?;
        Ok(())
    }
}
