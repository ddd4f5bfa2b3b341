//! `injector preview`: what would become of the pods of a manifest, and why.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use config::truthy;
use injector_core::{
    Callers, Candidate, Component, Defaults, Facts, Request, Setting, Verdict, Warning,
    shared::Binding, triage, workload,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Kubernetes, Settings, SettingsError, namespaces::Namespaces, start::PATIENCE};

/// Print the pods of a manifest with their sidecars, and where each setting comes from
#[derive(Clone, Debug, clap::Args)]
pub struct Preview {
    /// Manifest with pods, or with what makes them; - for standard input
    #[arg(short = 'f', long)]
    filename: PathBuf,
    /// Namespace of objects that name none
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Kubeconfig of the cluster whose namespaces and injector are asked
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Ask no cluster
    #[arg(long)]
    offline: bool,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The manifest can't be read, or the preview not written.
    #[error("{} could not be read or the preview not be written", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The manifest is no YAML.
    #[error("the manifest could not be read")]
    Yaml(#[from] config::yaml::YamlError),
    /// The environment can't be used.
    #[error("the settings could not be read")]
    Settings(#[from] SettingsError),
    /// A patch doesn't fit.
    #[error("the patch could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A patch doesn't fit.
    #[error("the patch does not apply to the pod")]
    Patch(#[from] json_patch::PatchError),
    /// No pod comes of the manifest.
    #[error("no pod comes of the manifest")]
    NoPods,
}

/// What the previewed pods meet.
struct World {
    settings: Settings,
    namespaces: Namespaces,
    facts: Facts,
    kubernetes: Option<Kubernetes>,
}

/// What becomes of one pod.
struct Outcome {
    pod: Value,
    headline: String,
    settings: Vec<Setting>,
    warnings: Vec<Warning>,
    refused: bool,
}

/// Prints the preview. Exit code 1 if it can't, or if a pod would be refused.
pub fn block_on(preview: &Preview, scheduler: bool) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let failed = |error| PreviewError::Io(preview.filename.clone(), error);
    let printed = runtime.map_err(failed);
    match printed.and_then(|runtime| runtime.block_on(print(preview, scheduler))) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            let causes = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
            let texts: Vec<_> = causes.map(ToString::to_string).collect();
            let _ = writeln!(io::stderr(), "{}", texts.join(": "));
            ExitCode::FAILURE
        }
    }
}

/// Whether a pod would be refused.
async fn print(preview: &Preview, scheduler: bool) -> Result<bool, PreviewError> {
    let failed = |error| PreviewError::Io(preview.filename.clone(), error);
    let manifest = read(&preview.filename).map_err(failed)?;
    let objects = objects(&manifest)?;
    let world = World::look(preview, scheduler).await?;
    let (mut any, mut refused) = (false, false);
    for object in &objects {
        let Some(pod) = workload::pod_of(object, &preview.namespace) else {
            continue;
        };
        let outcome = world.outcome(object, pod).await?;
        let text = outcome.text()?;
        io::stdout().write_all(text.as_bytes()).map_err(failed)?;
        (any, refused) = (true, refused || outcome.refused);
    }
    if any {
        Ok(refused)
    } else {
        Err(PreviewError::NoPods)
    }
}

fn read(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The objects of a manifest, those of its lists among them.
fn objects(manifest: &str) -> Result<Vec<Value>, PreviewError> {
    let documents: Vec<Value> = config::yaml::documents(manifest)?;
    let flat = documents.into_iter().flat_map(|document| {
        let items = document["items"].as_array().cloned();
        items.unwrap_or_else(|| vec![document])
    });
    Ok(flat.collect())
}

// === impl World ===

impl World {
    async fn look(preview: &Preview, scheduler: bool) -> Result<Self, PreviewError> {
        let kubernetes = connect(preview).await;
        let deployed = deployed(kubernetes.as_ref()).await;
        let lookup = |name: &str| {
            let own = env::var(name).ok().or_else(|| deployed.get(name).cloned());
            own.or_else(|| otherwise(name).map(str::to_owned))
        };
        let scheduler = scheduler && deployed.get(SCHEDULER).is_none_or(|on| truthy(on));
        let mut settings = Settings::read(&lookup, "", scheduler)?;
        if let Some(kubernetes) = &kubernetes {
            settings = settings.fit_to(kubernetes).await;
        }
        let facts = facts(kubernetes.as_ref(), &settings).await;
        Ok(Self {
            namespaces: namespaces(kubernetes.as_ref()).await,
            settings,
            facts,
            kubernetes,
        })
    }

    async fn outcome(&self, object: &Value, pod: Value) -> Result<Outcome, PreviewError> {
        let namespace = pod["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let defaults = self.namespaces.defaults(&namespace);
        let request = json!({"kind": {"kind": "Pod"}, "namespace": namespace,
            "userInfo": {"groups": ["system:masters"]}, "object": pod})
        .to_string();
        let request: Request<'_> = serde_json::from_str(&request)?;
        let cluster = &self.settings.cluster;
        let triage = triage(&request, &Callers::default(), cluster, &defaults);
        let name = object["metadata"]["name"].as_str().unwrap_or("?");
        let subject = format!(
            "{} {namespace}/{name}",
            object["kind"].as_str().unwrap_or("?")
        );
        match triage.verdict {
            Verdict::Skip(skip, warnings) => Ok(Outcome::bare(
                pod,
                format!("{subject}: no sidecar: {skip}"),
                warnings,
                false,
            )),
            Verdict::Deny(denial) => Ok(Outcome::bare(
                pod,
                format!("{subject}: refused: {denial}"),
                Vec::new(),
                true,
            )),
            Verdict::Inject(candidate) => {
                let headline = format!("{subject}: sidecar with app-id {}", triage.app_id);
                self.injected(*candidate, &defaults, pod, headline).await
            }
            Verdict::Bind(binding) => self.bound(*binding, &defaults, pod, &subject),
        }
    }

    async fn injected(
        &self,
        candidate: Candidate,
        defaults: &Defaults,
        mut pod: Value,
        headline: String,
    ) -> Result<Outcome, PreviewError> {
        let cluster = &self.settings.cluster;
        let settings = candidate.settings(cluster, defaults);
        let (components, unknown) = self.components(&candidate).await;
        let mut injection = candidate.inject(cluster, &self.facts, &components)?;
        json_patch::patch(&mut pod, &injection.patch)?;
        injection.warnings.extend(unknown);
        Ok(Outcome {
            pod,
            headline,
            settings,
            warnings: injection.warnings,
            refused: false,
        })
    }

    fn bound(
        &self,
        binding: Binding,
        defaults: &Defaults,
        mut pod: Value,
        subject: &str,
    ) -> Result<Outcome, PreviewError> {
        let cluster = &self.settings.cluster;
        let headline = format!(
            "{subject}: bound to the shared instance {} ({}) of app-id {}",
            binding.names().instance(),
            binding.mode(),
            binding.names().app_id()
        );
        let settings = binding.settings(cluster, defaults);
        let injection = binding.bind(cluster)?;
        json_patch::patch(&mut pod, &injection.patch)?;
        Ok(Outcome {
            pod,
            headline,
            settings,
            warnings: injection.warnings,
            refused: false,
        })
    }

    async fn components(&self, candidate: &Candidate) -> (Vec<Component>, Option<Warning>) {
        if !candidate.wants_components() {
            return (Vec::new(), None);
        }
        let listed = match &self.kubernetes {
            Some(kubernetes) => kubernetes.components(candidate.namespace()).await.ok(),
            None => None,
        };
        let unknown = || Warning::new("the Components of the namespace are not known here");
        let warning = listed.is_none().then(unknown);
        (listed.unwrap_or_default(), warning)
    }
}

/// The client of a cluster, if there is one and it may be asked.
async fn connect(preview: &Preview) -> Option<Kubernetes> {
    if preview.offline {
        return None;
    }
    let client = process::kubernetes::client(preview.kubeconfig.as_deref()).await;
    client.ok().map(Kubernetes::new)
}

/// Settings of the cluster's injector; none if this is its container, or there is no cluster.
async fn deployed(kubernetes: Option<&Kubernetes>) -> BTreeMap<String, String> {
    match kubernetes {
        Some(kubernetes) if env::var_os("SIDECAR_IMAGE").is_none() => {
            kubernetes.injector().await.unwrap_or_default()
        }
        _ => BTreeMap::new(),
    }
}

/// The variable of the injector that is a flag, too.
const SCHEDULER: &str = "SCHEDULER_ENABLED";

/// What the chart sets unless told otherwise.
fn otherwise(name: &str) -> Option<&'static str> {
    match name {
        "NAMESPACE" => Some("dapr-system"),
        "SIDECAR_IMAGE" => Some("ghcr.io/dapr/daprd:1.18.2"),
        "SIDECAR_IMAGE_PULL_POLICY" => Some("IfNotPresent"),
        _ => None,
    }
}

async fn namespaces(kubernetes: Option<&Kubernetes>) -> Namespaces {
    let namespaces = Namespaces::default();
    if let Some(kubernetes) = kubernetes {
        let stream = kubernetes.namespaces();
        let follow = namespaces.clone().follow(stream, CancellationToken::new());
        tokio::select! {
            _ = follow => {}
            _ = timeout(PATIENCE, namespaces.known()) => {}
        }
    }
    namespaces
}

async fn facts(kubernetes: Option<&Kubernetes>, settings: &Settings) -> Facts {
    let trust_anchors = fs::read_to_string(&settings.trust_anchors);
    let mtls = match kubernetes {
        Some(kubernetes) => kubernetes.mtls(&settings.cluster.namespace).await.ok(),
        None => None,
    };
    Facts {
        trust_anchors: trust_anchors.unwrap_or_else(|_| "(the cluster's trust anchors)".into()),
        mtls: mtls.unwrap_or(true),
        identity_token: true,
    }
}

// === impl Outcome ===

impl Outcome {
    const fn bare(pod: Value, headline: String, warnings: Vec<Warning>, refused: bool) -> Self {
        Self {
            pod,
            headline,
            settings: Vec::new(),
            warnings,
            refused,
        }
    }

    /// A YAML document: what is said about the pod as comment, then the pod.
    fn text(&self) -> Result<String, PreviewError> {
        let mut pod = self.pod.clone();
        // The maker is known by kind and name alone.
        if let Some(metadata) = pod["metadata"].as_object_mut() {
            metadata.remove("ownerReferences");
        }
        let mut lines = vec!["---".to_owned(), format!("# {}", self.headline)];
        lines.extend(
            self.warnings
                .iter()
                .map(|warning| format!("# warning: {warning}")),
        );
        lines.extend(self.settings.iter().map(|setting| {
            let value = setting
                .value
                .as_ref()
                .map_or_else(|| "-".to_owned(), |value| format!("{value:?}"));
            format!(
                "# {:<48} {:<9}  {value}",
                setting.annotation,
                setting.source.as_str()
            )
        }));
        lines.push(config::yaml::to_string(&pod)?);
        Ok(lines.join("\n"))
    }
}
