use crate::cgroups;
use crate::containers::Containers;
use crate::daemons::{self, Daemon};
use crate::images::PAUSE;
use crate::network::{DNS, Place};
use crate::paths::{Paths, fresh, write};
use crate::pki::Pki;
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

/// One node: a containerd, a kubelet and a kube-proxy of its own.
pub(crate) struct Node<'a> {
    pub(crate) place: Place,
    pub(crate) paths: &'a Paths,
}

impl Node<'_> {
    pub(crate) fn name(&self) -> String {
        self.place.name()
    }

    pub(crate) fn containers(&self) -> Containers {
        Containers::new(&self.name())
    }

    /// Starts containerd. Its images stay from run to run, so its root is not emptied.
    pub(crate) fn start_containers(&self) -> Result<()> {
        let config = self.file("containerd.toml");
        fresh(&self.file("cni"))?;
        let network = self.place.cni(&self.file("addresses"));
        write(
            &self.file("cni/10-bridge.conflist"),
            serde_json::to_vec(&network)?,
        )?;
        fresh(&self.file("addresses"))?;
        write(&config, self.containerd())?;
        self.start(
            "containerd",
            PathBuf::from("/usr/bin/containerd"),
            vec![flag("config", &config)],
        )
    }

    /// Joins the cluster: kubelet and kube-proxy.
    pub(crate) fn join(&self, pki: &Pki) -> Result<()> {
        cgroups::create(&self.name())?;
        fresh(&self.file("kubelet"))?;
        let bin = self.paths.bin();
        self.start("kubelet", bin.join("kubelet"), self.kubelet(pki)?)?;
        self.start("kube-proxy", bin.join("kube-proxy"), self.kube_proxy(pki)?)
    }

    fn start(&self, part: &str, program: PathBuf, arguments: Vec<String>) -> Result<()> {
        let name = format!("{}-{part}", self.name());
        let netns = self.place.netns();
        daemons::start(
            self.paths,
            &Daemon {
                name,
                program,
                arguments,
                netns,
            },
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.paths.node(&self.name()).join(name)
    }

    /// Without `restrict_oom_score_adj` runc fails where root has no `CAP_SYS_RESOURCE`.
    fn containerd(&self) -> String {
        let containers = self.containers();
        format!(
            r#"version = 2
root = "{root}"
state = "{state}"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"
"#,
            root = self.file("containerd").display(),
            state = containers.state().display(),
            socket = containers.socket().display(),
            cni = self.file("cni").display(),
        )
    }

    /// Nothing is evicted and no image is collected: a full disk must not look like a failed test.
    fn kubelet(&self, pki: &Pki) -> Result<Vec<String>> {
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": format!("unix://{}", self.containers().socket().display()),
            "authentication": {
                "anonymous": {"enabled": false},
                "x509": {"clientCAFile": pki.certificate("ca")},
            },
            "clusterDNS": [DNS], "clusterDomain": "cluster.local",
            // Pods have no way out, so the machine's own servers and search domains are no use.
            "resolvConf": "",
            "cgroupDriver": "cgroupfs", "failCgroupV1": false,
            "cgroupRoot": cgroups::name(&self.name()), "enforceNodeAllocatable": [],
            "evictionHard": {}, "imageGCHighThresholdPercent": 100, "failSwapOn": false,
            "makeIPTablesUtilChains": false,
            "podLogsDir": self.file("kubelet/logs"),
            "volumePluginDir": self.file("kubelet/plugins"),
            "shutdownGracePeriod": "0s",
            // A mounted ConfigMap is read again this often; the default of a minute makes a first
            // install wait for the trust bundle.
            "syncFrequency": "5s",
        });
        let file = self.file("kubelet.json");
        write(&file, serde_json::to_vec_pretty(&config)?)?;
        let client = self.file("kubelet.kubeconfig");
        pki.kubeconfig(&self.name(), &self.place.api_server(), &client)?;
        Ok(vec![
            flag("config", &file),
            flag("kubeconfig", &client),
            flag("root-dir", &self.file("kubelet")),
            flag("cert-dir", &self.file("kubelet/pki")),
            format!("--hostname-override={}", self.name()),
            format!("--node-ip={}", self.place.address()),
        ])
    }

    fn kube_proxy(&self, pki: &Pki) -> Result<Vec<String>> {
        let client = self.file("kube-proxy.kubeconfig");
        pki.kubeconfig("kube-proxy", &self.place.api_server(), &client)?;
        let config = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": "nftables", "hostnameOverride": self.name(),
            "clientConnection": {"kubeconfig": client},
            // The machine's own limits on connections are not the cluster's to change.
            "conntrack": {"maxPerCore": 0, "min": 0},
        });
        let file = self.file("kube-proxy.json");
        write(&file, serde_json::to_vec_pretty(&config)?)?;
        Ok(vec![flag("config", &file)])
    }
}

fn flag(name: &str, file: &std::path::Path) -> String {
    format!("--{name}={}", file.display())
}
