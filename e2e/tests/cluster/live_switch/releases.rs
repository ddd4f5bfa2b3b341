//! The release `dapr` of either chart, with the same values.

use std::{path::PathBuf, time::Duration};

use cluster::{DaprModule, Group, Progress, Tools, images, output, until};
use e2e::{Apps, CONTROL_PLANE, Install, steps::roots};

use crate::stage::local_cluster;

/// What somebody has set at the original, and keeps.
const VALUES: [&str; 6] = [
    "global.logAsJson=true",
    "global.labels.team=platform",
    "global.mtls.workloadCertTTL=1h",
    "dapr_operator.watchInterval=5m",
    "dapr_operator.apiService.annotations.note=kept",
    // The namespace of the applications is restricted.
    "dapr_sidecar_injector.sidecarDropALLCapabilities=true",
];
const SCHEDULER: [&str; 3] = [
    "global.scheduler.enabled=true",
    "dapr_scheduler.image.name=docker.io/local/original-scheduler:1.18.2",
    "dapr_scheduler.cluster.storageSize=1Gi",
];
/// Without it the original's placement asks for disks in HA, which nothing is read from.
const WITHOUT_DISKS: &str = "dapr_placement.cluster.forceInMemoryLog=true";
const PLACEMENT: [&str; 4] = [
    "statefulset",
    "dapr-placement-server",
    "--namespace",
    CONTROL_PLANE,
];

/// The kinds that the original's chart brings.
const KINDS: [&str; 7] = [
    "components",
    "configurations",
    "subscriptions",
    "resiliencies",
    "httpendpoints",
    "mcpservers",
    "workflowaccesspolicies",
];

/// Whose control plane.
#[derive(Clone, Copy)]
pub(crate) enum Maker {
    Original,
    Ours,
}

pub(crate) struct Releases<'a> {
    install: &'a Install<'a>,
    pub(crate) original: PathBuf,
    ha: bool,
    /// What both charts are told of the scheduler.
    scheduler: &'a [&'a str],
}

// === impl Releases ===

impl<'a> Releases<'a> {
    /// Builds the original's programs and brings their images into the cluster.
    pub(crate) fn prepare(install: &'a Install<'a>, ha: bool) -> Self {
        let tools = Tools::ensure(install.workspace, &[Group::Originals], Progress).unwrap();
        let images = images::originals(&tools).unwrap();
        images::load(&local_cluster(), &images, Progress).unwrap();
        let original = DaprModule::find(install.workspace).unwrap().chart();
        Self {
            install,
            original,
            ha,
            scheduler: &["global.scheduler.enabled=false"],
        }
    }

    /// With the scheduler of Dapr in both charts.
    pub(crate) fn with_scheduler(self) -> Self {
        Self {
            scheduler: &SCHEDULER,
            ..self
        }
    }

    /// As on a cluster that has never seen anything else: kinds, release and applications.
    pub(crate) fn begin_with_the_original(&self, apps: &Apps<'_>) {
        apps.down().unwrap();
        self.install.down().unwrap();
        for kind in KINDS {
            let name = format!("{kind}.dapr.io");
            let words = ["delete", "crd", &name, "--ignore-not-found"];
            self.install.kube.run(&words).unwrap();
        }
        self.upgrade(Maker::Original, &[]);
        // Pods made before that would have no sidecar, without a word.
        until("the webhook is trusted", Duration::from_mins(2), || {
            let words = [
                "get",
                "mutatingwebhookconfiguration",
                "dapr-sidecar-injector",
            ];
            let webhook = self.install.kube.json(&words)?;
            let bundle = &webhook["webhooks"][0]["clientConfig"]["caBundle"];
            Ok(bundle.is_string().then_some(()))
        })
        .unwrap();
        apps.up().unwrap();
    }

    /// Switches as the docs say it, and waits until all is ready.
    pub(crate) fn switch(&self, maker: Maker) {
        self.leave_disks();
        self.upgrade(maker, &[WITHOUT_DISKS]);
    }

    /// Kubernetes refuses to take disks from a StatefulSet, so another takes over its pods.
    fn leave_disks(&self) {
        let set = self.install.kube.json(&[&["get"], &PLACEMENT[..]].concat());
        if set.unwrap()["spec"]["volumeClaimTemplates"].is_array() {
            let words = [&["delete"], &PLACEMENT[..], &["--cascade=orphan"]].concat();
            self.install.kube.run(&words).unwrap();
        }
    }

    /// Upgrades the release to the chart of that maker, and waits until it is ready.
    fn upgrade(&self, maker: Maker, values: &[&str]) {
        let (chart, own) = match maker {
            Maker::Original => (self.original.clone(), originals()),
            Maker::Ours => (self.install.workspace.join("charts/dapr"), self.ours()),
        };
        let mut helm = self.install.kube.helm(&["upgrade", "--install", "dapr"]);
        helm.arg(chart);
        helm.args(["--namespace", CONTROL_PLANE, "--create-namespace"]);
        helm.args(["--wait", "--timeout=5m", "--reset-values"]);
        let daprd = &self.install.images.daprd;
        let both = [
            format!("global.ha.enabled={}", self.ha),
            format!("dapr_sidecar_injector.image.name={daprd}"),
        ];
        let values = VALUES.iter().chain(self.scheduler).chain(values);
        let values = values.map(ToString::to_string);
        let values = values.chain(both);
        for value in values.chain(own) {
            helm.args(["--set", &value]);
        }
        output(&mut helm).unwrap_or_else(|error| panic!("{error:#}"));
        self.install.ready().unwrap();
    }

    fn ours(&self) -> Vec<String> {
        let images = self.install.images;
        vec![
            format!("global.registry={}", images.registry),
            format!("global.tag={}", images.tag),
        ]
    }

    /// The roots that sidecars are given now, PEM.
    pub(crate) fn roots(&self) -> String {
        roots(self.install.kube).unwrap()
    }

    /// The one root of a bundle that has one.
    pub(crate) fn root(&self) -> String {
        let roots = self.roots();
        assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 1, "{roots}");
        roots.trim().to_owned()
    }
}

/// The values that name the images of Dapr's own programs.
pub(crate) fn originals() -> Vec<String> {
    let image = |name| format!("docker.io/local/original-{name}:1.18.2");
    vec![
        "global.tag=1.18.2".to_owned(),
        format!("dapr_operator.image.name={}", image("operator")),
        format!("dapr_sentry.image.name={}", image("sentry")),
        format!("dapr_placement.image.name={}", image("placement")),
        format!(
            "dapr_sidecar_injector.injectorImage.name={}",
            image("injector")
        ),
    ]
}
