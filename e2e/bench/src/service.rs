//! The four services: how each is started, the same for both makers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cluster::free_ports;

use crate::{running::Launch, stage::Stage};

/// Where the control plane believes to be.
pub(crate) const NAMESPACE: &str = "dapr-system";
/// Its trust domain.
pub(crate) const TRUST_DOMAIN: &str = "cluster.local";

/// Whose binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Ours,
    Original,
}

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Service {
    Sentry,
    Placement,
    Injector,
    Operator,
}

/// Where one start listens, and its folder.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) healthz: u16,
    metrics: u16,
    /// Of the webhook, or for peers.
    second: u16,
    pub(crate) folder: PathBuf,
}

// === impl Maker ===

impl Maker {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Original];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Original => "original",
        }
    }
}

// === impl Site ===

impl Site {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let [port, healthz, metrics, second] = free_ports()?;
        let folder = folder.to_owned();
        Ok(Self {
            port,
            healthz,
            metrics,
            second,
            folder,
        })
    }

    /// Sentry's trust anchors, if it is sentry's.
    pub(crate) fn anchors(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    fn flags(&self) -> Vec<String> {
        let local = "127.0.0.1";
        vec![
            format!("-port={}", self.port),
            format!("-listen-address={local}"),
            format!("-healthz-port={}", self.healthz),
            format!("-healthz-listen-address={local}"),
            format!("-metrics-port={}", self.metrics),
            format!("-metrics-listen-address={local}"),
        ]
    }
}

// === impl Service ===

impl Service {
    pub(crate) const ALL: [Self; 4] = [
        Self::Sentry,
        Self::Placement,
        Self::Injector,
        Self::Operator,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sentry => "sentry",
            Self::Placement => "placement",
            Self::Injector => "injector",
            Self::Operator => "operator",
        }
    }

    /// Sentry stands for itself, the others lean on the stage's.
    pub(crate) fn launch(self, program: PathBuf, site: &Site, stage: Option<&Stage>) -> Launch {
        let (mut arguments, mut environment) = (site.flags(), environment());
        arguments.extend(self.flags(site));
        if let Some(stage) = stage {
            arguments.extend(self.surroundings(stage));
            environment.extend(self.variables(stage));
        }
        // Beside the folder, for the original's sentry starts anew at each write in it.
        let log = site.folder.with_extension("log");
        Launch {
            program,
            arguments,
            environment,
            log,
        }
    }

    fn flags(self, site: &Site) -> Vec<String> {
        let folder = site.folder.display();
        match self {
            Self::Sentry => vec![
                format!("-issuer-credentials={folder}"),
                format!("-config={folder}/config.yaml"),
                format!("-trust-domain={TRUST_DOMAIN}"),
            ],
            Self::Placement => vec![
                "-id=bench".into(),
                format!("-initial-cluster=bench=127.0.0.1:{}", site.second),
            ],
            Self::Injector => vec![],
            Self::Operator => vec![
                format!("-webhook-server-port={}", site.second),
                "-webhook-server-listen-address=127.0.0.1".into(),
                "-disable-leader-election=true".into(),
            ],
        }
    }

    /// Flags that say where the others are.
    fn surroundings(self, stage: &Stage) -> Vec<String> {
        let anchors = format!("-trust-anchors-file={}", stage.anchors().display());
        let kubeconfig = format!("-kubeconfig={}", stage.kubeconfig().display());
        match self {
            Self::Sentry => vec![],
            Self::Placement => vec![
                "-tls-enabled".into(),
                format!("-sentry-address={}", stage.sentry_address()),
                format!("-trust-domain={TRUST_DOMAIN}"),
                anchors,
            ],
            Self::Injector => vec![kubeconfig],
            Self::Operator => vec![kubeconfig, anchors],
        }
    }

    /// The injector is told by its environment where the others are.
    fn variables(self, stage: &Stage) -> Vec<(String, String)> {
        if self != Self::Injector {
            return vec![];
        }
        let anchors = stage.anchors().display().to_string();
        vec![
            ("SIDECAR_IMAGE".into(), "daprio/daprd:1.18.2".into()),
            ("DAPR_TRUST_ANCHORS_FILE".into(), anchors),
            (
                "DAPR_CONTROL_PLANE_TRUST_DOMAIN".into(),
                TRUST_DOMAIN.into(),
            ),
            ("DAPR_SENTRY_ADDRESS".into(), stage.sentry_address()),
        ]
    }
}

/// What all are told. The services refuse root, and this may be started by root.
fn environment() -> Vec<(String, String)> {
    vec![
        ("NAMESPACE".into(), NAMESPACE.into()),
        (
            "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK".into(),
            "true".into(),
        ),
    ]
}
