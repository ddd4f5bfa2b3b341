//! The `dapr` command against our release, each of its words that concern Kubernetes.

mod repository;
mod under_traffic;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::Result;
use cluster::{Group, Progress, Tools, output, until};
use e2e::{Apps, CONTROL_PLANE, Install, NAMESPACE, SERVICES};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::stage;
use repository::Repository;

/// Sentry looks at the Secret at least that often.
const HEEDED: Duration = Duration::from_secs(90);

/// The command, with a folder to write to.
struct Dapr<'a> {
    program: PathBuf,
    folder: TempDir,
    repository: Repository,
    install: &'a Install<'a>,
}

// === impl Dapr ===

impl<'a> Dapr<'a> {
    fn new(install: &'a Install<'a>) -> Self {
        let tools = Tools::ensure(install.workspace, &[Group::Cli], Progress).unwrap();
        Self {
            program: tools.path("dapr"),
            folder: tempfile::tempdir().unwrap(),
            repository: Repository::serve(install).unwrap(),
            install,
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut dapr = Command::new(&self.program);
        let kubectl = self.install.kube.kubectl(&[]);
        for (name, value) in kubectl.get_envs() {
            dapr.env(name, value.unwrap_or_default());
        }
        // It calls kubectl by name.
        let folder = self.program.parent().unwrap();
        dapr.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        dapr.env("HOME", self.folder.path());
        dapr.env("DAPR_HELM_REPO_URL", &self.repository.url);
        dapr.current_dir(self.folder.path());
        dapr.args(line.split_whitespace());
        dapr
    }

    fn try_say(&self, line: &str) -> Result<String> {
        output(&mut self.command(line))
    }

    fn say(&self, line: &str) -> String {
        let said = self
            .try_say(line)
            .unwrap_or_else(|error| panic!("{error:#}"));
        println!("$ dapr {line}\n{said}");
        said
    }

    /// What an install and an upgrade have to be told, because they forget all values.
    fn values(&self) -> String {
        let images = self.install.images;
        format!(
            "--runtime-version {} --image-registry {} --set dapr_sidecar_injector.image.name={}",
            images.tag, images.registry, images.daprd
        )
    }

    /// Waits until `dapr status -k` shows each service healthy, running, of our version. It counts
    /// pods on their way out, too.
    fn healthy(&self, replicas: &str) {
        let version = &*self.install.images.tag;
        let shown = |table: &str, app: &str| {
            let row = table.lines().find(|line| line.trim().starts_with(app));
            let words: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
            words.starts_with(&[app, CONTROL_PLANE, "True", "Running", replicas, version])
        };
        until("each service is shown as it should be", HEEDED, || {
            let table = self.say("status -k");
            let all = SERVICES.iter().all(|(_, app)| shown(&table, app));
            Ok(all.then_some(()))
        })
        .unwrap();
    }
}

/// A text of the trust bundle's Secret, as the API has it.
fn secret(install: &Install<'_>, key: &str) -> String {
    let words = ["get", "secret", "dapr-trust-bundle"];
    let there = ["--namespace", CONTROL_PLANE];
    let secret = install.kube.json(&[&words[..], &there].concat()).unwrap();
    secret["data"][key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_command_reads_a_release() {
    stage(|install, apps| {
        let dapr = Dapr::new(install);
        dapr.healthy("1");
        assert!(dapr.say("mtls -k").contains("enabled"));
        assert!(dapr.say("mtls expiry").contains("expires in"));
        dapr.say("mtls export -o certs");
        for name in ["ca.crt", "issuer.crt", "issuer.key"] {
            let text = fs::read_to_string(dapr.folder.path().join("certs").join(name)).unwrap();
            assert!(text.contains("BEGIN"), "{name}");
        }
        assert!(dapr.say("components -k -A").contains("statestore"));
        assert!(dapr.say("configurations -k -A").contains("demo"));
        let list = dapr.say("list -k -A");
        assert!(list.contains("front") && list.contains("back"), "{list}");
        let logs = dapr.say(&format!("logs -k -a front -n {NAMESPACE}"));
        assert!(logs.contains("dapr.runtime"), "{logs}");
        annotates(&dapr, apps);
    });
}

/// What it writes into a manifest is what the injector obeys.
fn annotates(dapr: &Dapr<'_>, apps: &Apps<'_>) {
    let manifest = "{apiVersion: v1, kind: Pod, metadata: {name: bare}, spec: {containers: \
                    [{name: app, image: none}], nodeSelector: {no-such: node}}}";
    fs::write(dapr.folder.path().join("bare.yaml"), manifest).unwrap();
    let line = "annotate -k -a annotated -p 3000 --log-level debug bare.yaml";
    let annotated = dapr.say(line);
    // Not the applications' namespace, whose pods have to say more about their rights.
    let words = [
        "create",
        "--dry-run=server",
        "--output=json",
        "--namespace=default",
        "--filename=-",
    ];
    let made = apps.kube.feed(&words, &annotated).unwrap();
    let pod: Value = serde_json::from_str(&made).unwrap();
    let sidecar = pod["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "daprd");
    let args = sidecar.unwrap()["args"].to_string();
    for wanted in [
        r#""--app-id","annotated""#,
        r#""--app-port","3000""#,
        "debug",
    ] {
        assert!(args.contains(wanted), "{wanted}: {args}");
    }
}
