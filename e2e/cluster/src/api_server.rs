//! A throw-away Kubernetes API: etcd and an API server, no nodes, no controllers.

use crate::command::{output, tail};
use crate::ports::free_ports;
use crate::wait::until;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longer than any start on a loaded machine.
const DEADLINE: Duration = Duration::from_mins(1);
/// How much of a failed program's log is repeated.
const LAST_LINES: usize = 8;
/// It never leaves this machine's loopback, and dies with the server.
const TOKEN: &str = "admin";

/// A started API server, besides any cluster that runs here; it ends before its etcd.
#[derive(Debug)]
pub struct ApiServer {
    server: Part,
    _etcd: Part,
    bin: PathBuf,
    folder: PathBuf,
    kubeconfig: PathBuf,
}

/// A program that never outlives the value that holds it.
#[derive(Debug)]
struct Part {
    child: Child,
    log: PathBuf,
}

// === impl ApiServer ===

impl ApiServer {
    /// Starts both on free ports of this machine and waits until they answer; what they write goes
    /// to `folder`. The programs of [`crate::Group::Kubernetes`] have to be there.
    ///
    /// # Errors
    /// If one of them ends or does not get ready within a minute.
    pub fn start(workspace: &Path, folder: &Path) -> Result<Self> {
        let (bin, folder) = (workspace.join(".cache/bin"), folder.join("kubernetes"));
        fs::create_dir_all(&folder)?;
        let [clients, peers, port] = free_ports()?;
        let arguments = etcd_arguments(&folder, clients, peers);
        let etcd = Part::start(&bin, &folder, "etcd", arguments)?;
        service_account_key(&folder)?;
        let user = format!("{TOKEN},admin,admin,\"system:masters\"\n");
        fs::write(folder.join("tokens.csv"), user)?;
        let arguments = server_arguments(&folder, clients, port);
        let server = Part::start(&bin, &folder, "kube-apiserver", arguments)?;
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, describe(&folder, port).to_string())?;
        let mut started = Self {
            server,
            _etcd: etcd,
            bin,
            folder,
            kubeconfig,
        };
        until("the API server is ready", DEADLINE, || started.is_ready())?;
        Ok(started)
    }

    /// Its administrator's.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Makes all objects of a manifest; `name` is for messages.
    ///
    /// # Errors
    /// If one of them is refused or there already.
    pub fn create(&self, name: &str, manifest: &str) -> Result<()> {
        self.send(&["create"], name, manifest).map(drop)
    }

    /// Makes all objects of a manifest, or changes those that are there.
    ///
    /// # Errors
    /// If one of them is refused.
    pub fn apply(&self, name: &str, manifest: &str) -> Result<()> {
        self.send(&["apply"], name, manifest).map(drop)
    }

    /// Asks whether it would take all objects of a manifest, and returns what it said of each.
    ///
    /// # Errors
    /// If it would refuse one of them.
    pub fn judge(&self, name: &str, manifest: &str) -> Result<String> {
        let words = ["apply", "--server-side", "--dry-run=server"];
        self.send(&words, name, manifest)
    }

    /// A token of an account in the default namespace, bound to a pod.
    ///
    /// # Errors
    /// If there is no such account or pod.
    pub fn token(&self, account: &str, pod: &str, audience: &str) -> Result<String> {
        let mut kubectl = self.kubectl();
        kubectl.args(["create", "token", account, "--bound-object-kind=Pod"]);
        kubectl.args(["--bound-object-name", pod, "--audience", audience]);
        Ok(output(&mut kubectl)?.trim().to_owned())
    }

    /// Waits until the API server serves every kind that was defined.
    ///
    /// # Errors
    /// If that takes more than 30 s.
    pub fn await_definitions(&self) -> Result<()> {
        let mut kubectl = self.kubectl();
        let wait = ["wait", "--for=condition=Established", "crd", "--all"];
        output(kubectl.args(wait)).map(drop)
    }

    /// `kubectl` as its administrator.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(self.bin.join("kubectl"));
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    fn send(&self, words: &[&str], name: &str, manifest: &str) -> Result<String> {
        let file = self.folder.join(name).with_extension("yaml");
        fs::write(&file, manifest)?;
        let mut kubectl = self.kubectl();
        output(kubectl.args(words).arg("--filename").arg(file))
            .with_context(|| format!("{} {name}", words.join(" ")))
    }

    fn is_ready(&mut self) -> Result<Option<()>> {
        self.server.alive()?;
        let probe = ["get", "--raw=/readyz", "--request-timeout=2s"];
        Ok(output(self.kubectl().args(probe)).is_ok().then_some(()))
    }
}

// === impl Part ===

impl Part {
    fn start(bin: &Path, folder: &Path, name: &str, arguments: Vec<String>) -> Result<Self> {
        let log = folder.join(name).with_extension("log");
        let written = File::create(&log).with_context(|| format!("write the log of {name}"))?;
        let mut command = Command::new(bin.join(name));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.stdout(written.try_clone()?).stderr(written);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, log })
    }

    /// Fails with its last words if it ended.
    fn alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let (name, last) = (self.log.display(), tail(&log, LAST_LINES));
        bail!("the program ended unasked ({status}); the end of {name}:\n{last}")
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
        "--service-cluster-ip-range=10.77.0.0/24,fd00:77::/112".into(),
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
    let name = "local";
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
