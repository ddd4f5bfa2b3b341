//! A cluster as kubectl and helm see it.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, output};
use serde_json::Value;

/// The local cluster, or a context of the user's own kubeconfig.
#[derive(Clone, Debug)]
pub struct Kube {
    kubectl: PathBuf,
    helm: PathBuf,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
}

// === impl Kube ===

impl Kube {
    /// The local cluster, as its administrator.
    pub fn local(cluster: &Cluster) -> Self {
        let program = |command: Command| PathBuf::from(command.get_program());
        Self {
            kubectl: program(cluster.kubectl()),
            helm: program(cluster.helm()),
            kubeconfig: Some(cluster.kubeconfig()),
            context: None,
        }
    }

    /// A context of the user's kubeconfig, with kubectl and helm from the search path.
    pub fn context(name: &str) -> Self {
        let (kubectl, helm) = ("kubectl".into(), "helm".into());
        Self {
            kubectl,
            helm,
            kubeconfig: None,
            context: Some(name.to_owned()),
        }
    }

    /// `kubectl` with these words.
    pub fn kubectl(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.kubectl);
        command.args(
            self.context
                .iter()
                .flat_map(|context| ["--context", context]),
        );
        command.args(words);
        command
    }

    /// `helm` with these words.
    pub fn helm(&self, words: &[&str]) -> Command {
        let mut command = self.command(&self.helm);
        command.args(
            self.context
                .iter()
                .flat_map(|context| ["--kube-context", context]),
        );
        command.args(words);
        command
    }

    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        if let Some(path) = &self.kubeconfig {
            command.env("KUBECONFIG", path);
        }
        command
    }

    /// What kubectl prints.
    ///
    /// # Errors
    /// If kubectl fails; the message holds its last words.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        output(&mut self.kubectl(words))
    }

    /// An object, or a list of them.
    ///
    /// # Errors
    /// If kubectl fails or prints no JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.run(&[words, &["--output=json"]].concat())?,
        )?)
    }

    /// What kubectl prints, on both channels, when it reads `text`.
    ///
    /// # Errors
    /// If kubectl fails; the message is all that it said.
    pub fn feed(&self, words: &[&str], text: &str) -> Result<String> {
        let mut kubectl = self.kubectl(words);
        kubectl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = kubectl.spawn().context("start kubectl")?;
        child
            .stdin
            .take()
            .context("kubectl reads nothing")?
            .write_all(text.as_bytes())?;
        let ended = child.wait_with_output()?;
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if ended.status.success() {
            Ok(said)
        } else {
            bail!("{}", said.trim())
        }
    }

    /// Applies manifests; returns what was said, warnings of admission included.
    ///
    /// # Errors
    /// If the API server refuses one of them.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.feed(&["apply", "--filename=-"], manifests)
    }

    /// Calls a pod's port through the API server: GET, or POST if there is a body.
    ///
    /// # Errors
    /// If the pod does not answer with success.
    pub fn call(&self, pod: &str, path: &str, body: Option<&str>) -> Result<String> {
        let uri = format!(
            "/api/v1/namespaces/{}/pods/{pod}:3000/proxy/{path}",
            crate::NAMESPACE
        );
        match body {
            None => self.run(&["get", "--raw", &uri]),
            Some(body) => self.feed(&["create", "--raw", &uri, "--filename=-"], body),
        }
    }
}
