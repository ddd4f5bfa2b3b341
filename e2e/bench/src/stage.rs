//! What the measured services lean on: an API server, a sentry, and copies of the binaries.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cluster::ApiServer;
use tempfile::TempDir;

use crate::{
    manifests,
    running::{Launch, Running},
    service::{Maker, Service, Site},
};

/// Everything that stands while services come and go. Fields end in this order, the folder last.
#[derive(Debug)]
pub(crate) struct Stage {
    _sentry: Running,
    api_server: ApiServer,
    site: Site,
    folder: TempDir,
}

// === impl Stage ===

impl Stage {
    /// The sentry that the others lean on is ours for both makers, so that theirs is not measured
    /// along with them.
    pub(crate) async fn set(workspace: &Path, makers: &[Maker]) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        copy_binaries(workspace, makers, folder.path())?;
        let site = site(folder.path(), "stage")?;
        let program = binary(folder.path(), Service::Sentry, Maker::Ours);
        let launch = Service::Sentry.launch(program, &site, None);
        let (sentry, _) = launch.start_healthy(site.healthz).await?;
        // Not the local cluster's, because each start of an injector or operator writes its trust
        // anchors into the cluster's webhooks.
        let api_server = ApiServer::start(workspace, folder.path())?;
        furnish(&api_server, workspace, &address(&site))?;
        Ok(Self {
            _sentry: sentry,
            api_server,
            site,
            folder,
        })
    }

    /// A start of a service, with ports of its own. What it writes stays for its next start.
    pub(crate) fn launch(&self, service: Service, maker: Maker) -> Result<(Launch, Site)> {
        let name = format!("{}-{}", service.name(), maker.name());
        let site = site(self.folder.path(), &name)?;
        let launch = service.launch(self.binary(service, maker), &site, Some(self));
        Ok((launch, site))
    }

    /// A folder of this name.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub(crate) fn binary(&self, service: Service, maker: Maker) -> PathBuf {
        binary(self.folder.path(), service, maker)
    }

    pub(crate) fn anchors(&self) -> PathBuf {
        self.site.anchors()
    }

    pub(crate) fn sentry_address(&self) -> String {
        address(&self.site)
    }

    /// Makes further objects in the cluster; `name` is for messages.
    pub(crate) fn create(&self, name: &str, manifest: &str) -> Result<()> {
        self.api_server.create(name, manifest)
    }

    /// Makes or updates objects; `name` is for messages.
    pub(crate) fn apply(&self, name: &str, manifest: &str) -> Result<()> {
        self.api_server.apply(name, manifest)
    }

    /// A token of an account in the default namespace, bound to a pod.
    pub(crate) fn token(&self, account: &str, pod: &str, audience: &str) -> Result<String> {
        self.api_server.token(account, pod, audience)
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        self.api_server.kubeconfig()
    }
}

/// Makes what a cluster with Dapr has, as far as the four services look at it.
fn furnish(api_server: &ApiServer, workspace: &Path, sentry: &str) -> Result<()> {
    api_server.create("namespace", &manifests::namespace())?;
    api_server.create("webhook", &manifests::webhook())?;
    api_server.create("definitions", &manifests::definitions(workspace)?)?;
    api_server.await_definitions()?;
    api_server.create("configuration", &manifests::configuration(sentry))
}

fn address(site: &Site) -> String {
    format!("127.0.0.1:{}", site.port)
}

fn site(folder: &Path, name: &str) -> Result<Site> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    // Of no use to any but sentry, which wants a file and takes an empty one.
    fs::write(folder.join("config.yaml"), "")?;
    Site::new(&folder)
}

fn binary(folder: &Path, service: Service, maker: Maker) -> PathBuf {
    folder
        .join(format!("bin/{}", maker.name()))
        .join(service.name())
}

/// Copies, because a build meanwhile must not change what is measured.
fn copy_binaries(workspace: &Path, makers: &[Maker], folder: &Path) -> Result<()> {
    for &maker in makers {
        let from = workspace.join(match maker {
            Maker::Ours => "target/release",
            Maker::Original => ".cache/bin/original",
        });
        for service in Service::ALL {
            let (from, to) = (from.join(service.name()), binary(folder, service, maker));
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(&from, to).with_context(|| {
                format!(
                    "{} is missing: `cargo xtask bench` builds it",
                    from.display()
                )
            })?;
        }
    }
    Ok(())
}
