//! A throw-away Kubernetes API: etcd and an API server, no nodes, no controllers.
//!
//! Not the local cluster's, because each start of an injector or operator writes its trust anchors
//! into the cluster's webhooks.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use cluster::output;
use serde_json::{Value, json};

use crate::{
    poll::{free_ports, until},
    running::{Launch, Running},
};

const INTERVAL: Duration = Duration::from_millis(100);
/// It never leaves this machine's loopback, and dies with the server.
const TOKEN: &str = "bench";

/// A started API server; it ends before its etcd.
#[derive(Debug)]
pub(crate) struct ApiServer {
    server: Running,
    _etcd: Running,
    bin: PathBuf,
    folder: PathBuf,
    kubeconfig: PathBuf,
}

// === impl ApiServer ===

impl ApiServer {
    pub(crate) async fn start(workspace: &Path, folder: &Path) -> Result<Self> {
        let (bin, folder) = (workspace.join(".cache/bin"), folder.join("kubernetes"));
        fs::create_dir_all(&folder)?;
        let [clients, peers, port] = free_ports()?;
        let etcd = start(
            &bin,
            &folder,
            "etcd",
            etcd_arguments(&folder, clients, peers),
        )?;
        service_account_key(&folder)?;
        fs::write(
            folder.join("tokens.csv"),
            format!("{TOKEN},bench,bench,\"system:masters\"\n"),
        )?;
        let arguments = server_arguments(&folder, clients, port);
        let server = start(&bin, &folder, "kube-apiserver", arguments)?;
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, describe(&folder, port).to_string())?;
        let mut started = Self {
            server,
            _etcd: etcd,
            bin,
            folder,
            kubeconfig,
        };
        until("the API server is ready", INTERVAL, async || {
            started.is_ready()
        })
        .await?;
        Ok(started)
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Makes all objects of a manifest.
    pub(crate) fn create(&self, name: &str, manifest: &str) -> Result<()> {
        self.send("create", name, manifest)
    }

    /// Makes all objects of a manifest, or changes those that are there.
    pub(crate) fn apply(&self, name: &str, manifest: &str) -> Result<()> {
        self.send("apply", name, manifest)
    }

    /// A token of an account in the default namespace, bound to a pod.
    pub(crate) fn token(&self, account: &str, pod: &str, audience: &str) -> Result<String> {
        let mut kubectl = self.kubectl();
        kubectl.args(["create", "token", account, "--bound-object-kind=Pod"]);
        kubectl.args(["--bound-object-name", pod, "--audience", audience]);
        Ok(output(&mut kubectl)?.trim().to_owned())
    }

    fn send(&self, verb: &str, name: &str, manifest: &str) -> Result<()> {
        let file = self.folder.join(name).with_extension("yaml");
        fs::write(&file, manifest)?;
        let mut kubectl = self.kubectl();
        output(kubectl.args([verb, "--filename"]).arg(file))
            .with_context(|| format!("{verb} the {name}"))?;
        Ok(())
    }

    /// Waits until the API server serves every kind that was defined.
    pub(crate) fn await_definitions(&self) -> Result<()> {
        let mut kubectl = self.kubectl();
        let wait = ["wait", "--for=condition=Established", "crd", "--all"];
        output(kubectl.args(wait)).map(drop)
    }

    fn is_ready(&mut self) -> Result<bool> {
        self.server.alive()?;
        let probe = ["get", "--raw=/readyz", "--request-timeout=2s"];
        Ok(output(self.kubectl().args(probe)).is_ok())
    }

    fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(self.bin.join("kubectl"));
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }
}

fn start(bin: &Path, folder: &Path, name: &str, arguments: Vec<String>) -> Result<Running> {
    let launch = Launch {
        program: bin.join(name),
        arguments,
        environment: vec![],
        log: folder.join(name).with_extension("log"),
    };
    launch.start()
}

fn etcd_arguments(folder: &Path, clients: u16, peers: u16) -> Vec<String> {
    let (clients, peers) = (
        format!("http://127.0.0.1:{clients}"),
        format!("http://127.0.0.1:{peers}"),
    );
    vec![
        format!("--data-dir={}/etcd", folder.display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

/// It makes its own serving certificate, with the authority behind it in the same file.
fn server_arguments(folder: &Path, etcd: u16, port: u16) -> Vec<String> {
    let folder = folder.display();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        "--endpoint-reconciler-type=none".into(),
        "--service-cluster-ip-range=10.77.0.0/24".into(),
        format!("--cert-dir={folder}"),
        format!("--service-account-key-file={folder}/accounts.key"),
        format!("--service-account-signing-key-file={folder}/accounts.key"),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--authorization-mode=AlwaysAllow".into(),
        format!("--token-auth-file={folder}/tokens.csv"),
        "--profiling=false".into(),
    ]
}

fn service_account_key(folder: &Path) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
    ]);
    output(openssl.arg("-out").arg(folder.join("accounts.key"))).map(drop)
}

/// The kubeconfig.
fn describe(folder: &Path, port: u16) -> Value {
    let name = "bench";
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": folder.join("apiserver.crt"),
        }}],
        "users": [{"name": name, "user": {"token": TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    })
}
