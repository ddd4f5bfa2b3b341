use crate::daemons::{self, Daemon};
use crate::network::{Place, SERVICES};
use crate::paths::{Paths, fresh};
use crate::pki::{PORT, Pki};
use anyhow::Result;

/// Where etcd listens: other ports than its own, so that another etcd is not disturbed.
const ETCD: &str = "http://127.0.0.1:23790";
const ETCD_PEER: &str = "http://127.0.0.1:23800";

/// Names of the parts, in order of their start.
pub(crate) const PARTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// Empties etcd.
pub(crate) fn forget(paths: &Paths) -> Result<()> {
    fresh(&paths.state().join("etcd"))
}

/// Starts etcd and the API server, which waits for it.
pub(crate) fn start(paths: &Paths, pki: &Pki, first: Place) -> Result<()> {
    let [etcd, api_server, ..] = PARTS;
    start_part(paths, etcd, etcd_arguments(paths))?;
    start_part(paths, api_server, api_server_arguments(pki, first))
}

/// Starts what drives objects. Before the API server is ready these fail and try again only
/// after seconds.
pub(crate) fn start_controllers(paths: &Paths, pki: &Pki, first: Place) -> Result<()> {
    let [.., controllers, scheduler] = PARTS;
    start_part(paths, controllers, controller_arguments(paths, pki, first)?)?;
    start_part(paths, scheduler, scheduler_arguments(paths, pki, first)?)
}

fn start_part(paths: &Paths, name: &str, arguments: Vec<String>) -> Result<()> {
    let program = paths.bin().join(name);
    daemons::start(
        paths,
        &Daemon {
            name: name.into(),
            program,
            arguments,
            netns: None,
        },
    )
}

/// Data is not synced to disk: no test depends on it after a power loss, and it is far faster.
fn etcd_arguments(paths: &Paths) -> Vec<String> {
    vec![
        format!("--data-dir={}", paths.state().join("etcd").display()),
        format!("--listen-client-urls={ETCD}"),
        format!("--advertise-client-urls={ETCD}"),
        format!("--listen-peer-urls={ETCD_PEER}"),
        format!("--initial-advertise-peer-urls={ETCD_PEER}"),
        format!("--initial-cluster=default={ETCD_PEER}"),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

fn api_server_arguments(pki: &Pki, first: Place) -> Vec<String> {
    let file = |flag: &str, path: std::path::PathBuf| format!("--{flag}={}", path.display());
    vec![
        format!("--etcd-servers={ETCD}"),
        format!("--secure-port={PORT}"),
        format!("--advertise-address={}", first.address()),
        format!("--service-cluster-ip-range={SERVICES}"),
        file("tls-cert-file", pki.certificate("kube-apiserver")),
        file("tls-private-key-file", pki.key("kube-apiserver")),
        file("client-ca-file", pki.certificate("ca")),
        file("kubelet-client-certificate", pki.certificate("admin")),
        file("kubelet-client-key", pki.key("admin")),
        // Node names resolve nowhere, and logs and exec go through here.
        "--kubelet-preferred-address-types=InternalIP".into(),
        file("service-account-key-file", pki.key("service-account")),
        file(
            "service-account-signing-key-file",
            pki.key("service-account"),
        ),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--allow-privileged=true".into(),
        "--profiling=false".into(),
    ]
}

fn controller_arguments(paths: &Paths, pki: &Pki, first: Place) -> Result<Vec<String>> {
    let mut arguments = client_arguments("kube-controller-manager", paths, pki, first)?;
    arguments.extend([
        format!("--root-ca-file={}", pki.certificate("ca").display()),
        format!(
            "--service-account-private-key-file={}",
            pki.key("service-account").display()
        ),
        "--use-service-account-credentials=true".into(),
        // Two dozen controllers fetch a token each, which the usual limit stretches over seconds.
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=1000".into(),
        // A dead node's pods are replaced within a test's patience.
        "--node-monitor-grace-period=20s".into(),
        // Its controllers keep nothing that would be lost, and some never end by themselves.
        "--controller-shutdown-timeout=1s".into(),
    ]);
    Ok(arguments)
}

fn scheduler_arguments(paths: &Paths, pki: &Pki, first: Place) -> Result<Vec<String>> {
    client_arguments("kube-scheduler", paths, pki, first)
}

/// What both have: their way to the API server, and no lease, for there is one of each.
fn client_arguments(name: &str, paths: &Paths, pki: &Pki, first: Place) -> Result<Vec<String>> {
    let config = paths.state().join(format!("{name}.kubeconfig"));
    pki.kubeconfig(name, &first.api_server(), &config)?;
    Ok(vec![
        format!("--kubeconfig={}", config.display()),
        "--leader-elect=false".into(),
        "--bind-address=127.0.0.1".into(),
    ])
}
