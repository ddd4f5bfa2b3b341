//! `cargo xtask demo`: the whole product at work, for a person to watch.

use std::{path::Path, time::Instant};

use anyhow::{Result, bail};
use clap::Args;
use cluster::{Cluster, Group, Progress, Tools, images};
use e2e::{Apps, CONTROL_PLANE, Images, Install, Kube, steps::STEPS};

use crate::build;

/// Where to show it.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// A context of your kubeconfig instead of the local cluster; it pulls published images
    #[arg(long)]
    context: Option<String>,
    /// Registry of the images, with --context
    #[arg(long, default_value = "ghcr.io/trilby-dev", requires = "context")]
    registry: String,
    /// Their tag, with --context
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"), requires = "context")]
    tag: String,
    /// Remove what the demo made; the local cluster too
    #[arg(long)]
    down: bool,
}

/// The sidecar's image where images are pulled.
const PUBLISHED_DAPRD: &str = "ghcr.io/dapr/daprd:1.18.2";

/// Shows it, or cleans up.
pub(crate) fn run(workspace: &Path, demo: &Demo) -> Result<()> {
    match (&demo.context, demo.down) {
        (None, true) => Cluster::new(workspace)?.down(Progress),
        (None, false) => local(workspace),
        (Some(context), down) => {
            let (registry, tag) = (demo.registry.clone(), demo.tag.clone());
            let images = Images {
                registry,
                tag,
                daprd: PUBLISHED_DAPRD.to_owned(),
            };
            let stage = Stage {
                kube: Kube::context(context),
                workspace,
                images,
            };
            if down { stage.clean() } else { stage.show() }
        }
    }
}

/// The local cluster with everything of this checkout in it; the tests use it too.
pub(crate) fn prepare(workspace: &Path) -> Result<(Cluster, Images)> {
    let tools = Tools::ensure(workspace, &[Group::Kubernetes, Group::Daprd], Progress)?;
    build::services(workspace, Progress)?;
    let cluster = Cluster::new(workspace)?;
    cluster.up(1, Progress)?;
    let tag = build::tag(workspace)?;
    let mut needed = images::workspace(workspace, &tag)?;
    let daprd = images::daprd(&tools)?;
    let name = daprd.name.clone();
    needed.extend([daprd, images::redis()?]);
    images::load(&cluster, &needed, Progress)?;
    Ok((
        cluster,
        Images {
            registry: "docker.io/local".to_owned(),
            tag,
            daprd: name,
        },
    ))
}

fn local(workspace: &Path) -> Result<()> {
    let (cluster, images) = prepare(workspace)?;
    let stage = Stage {
        kube: Kube::local(&cluster),
        workspace,
        images,
    };
    stage.show()?;
    println!("  export KUBECONFIG={}", cluster.kubeconfig().display());
    Ok(())
}

struct Stage<'a> {
    kube: Kube,
    workspace: &'a Path,
    images: Images,
}

// === impl Stage ===

impl Stage<'_> {
    fn show(&self) -> Result<()> {
        let begun = Instant::now();
        Progress.step("install the chart", || self.install().up())?;
        let apps = self.apps();
        Progress.step("start the applications", || apps.up())?;
        let proofs = prove(&apps);
        println!(
            "\nWhat runs where\n\n{}\n{}",
            self.control_plane(),
            apps.pods()
        );
        println!("What was shown in {:.0} s\n", begun.elapsed().as_secs_f32());
        for (claim, proof) in &proofs {
            let (mark, text) = match proof {
                Ok(text) => ("ok", text.clone()),
                Err(error) => ("FAILED", format!("{error:#}")),
            };
            println!("  {mark:<6}  {claim:<38}  {text}");
        }
        println!("\n{NEXT}");
        if proofs.iter().any(|(_, proof)| proof.is_err()) {
            bail!("some steps failed; the sidecars' and services' logs say more");
        }
        Ok(())
    }

    fn clean(&self) -> Result<()> {
        Progress.step("remove the applications", || self.apps().down())?;
        Progress.step("remove the release", || self.install().down())
    }

    fn install(&self) -> Install<'_> {
        Install {
            kube: &self.kube,
            workspace: self.workspace,
            images: &self.images,
        }
    }

    fn apps(&self) -> Apps<'_> {
        let image = format!("{}/testapp:{}", self.images.registry, self.images.tag);
        Apps {
            kube: &self.kube,
            image,
        }
    }

    fn control_plane(&self) -> String {
        let words = ["get", "pods", "--namespace", CONTROL_PLANE, "--output=wide"];
        self.kube
            .run(&words)
            .unwrap_or_else(|error| format!("{error:#}"))
    }
}

fn prove(apps: &Apps<'_>) -> Vec<(&'static str, Result<String>)> {
    let show = |(claim, step): &(&'static str, fn(&Apps<'_>) -> Result<String>)| {
        (*claim, Progress.step(claim, || step(apps)))
    };
    STEPS.iter().map(show).collect()
}

const NEXT: &str = "What to try next

  kubectl get pods -A                                  everything that runs
  kubectl -n dapr-system logs deploy/dapr-operator     what a service says
  kubectl apply -f config/samples                      one of each of Dapr's kinds
  kubectl -n trilby-demo logs deploy/back -c daprd     what a sidecar says
  cargo xtask demo                                     again; it takes seconds now
  cargo xtask demo --down                              remove everything
";
