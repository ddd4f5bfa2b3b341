use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Process records, sockets and other things that mean nothing after a reboot.
///
/// Outside of the checkout, because the cluster belongs to the machine: another checkout must find
/// and end it, and socket paths must be short.
pub(crate) const RUN: &str = "/run/trilby-cluster";

/// Where things are, from one checkout's point of view.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    workspace: PathBuf,
}

impl Paths {
    /// `workspace` is the checkout's root.
    pub(crate) fn new(workspace: &Path) -> Result<Self> {
        let workspace = workspace
            .canonicalize()
            .with_context(|| format!("open the checkout {}", workspace.display()))?;
        Ok(Self { workspace })
    }

    /// A file of the checkout.
    pub(crate) fn source(&self, file: &str) -> PathBuf {
        self.workspace.join(file)
    }

    /// Built tools.
    pub(crate) fn bin(&self) -> PathBuf {
        self.source(".cache/bin")
    }

    /// Everything that the cluster writes and that is not in [`RUN`].
    pub(crate) fn state(&self) -> PathBuf {
        self.source(".cache/cluster")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state().join("kubeconfig")
    }

    /// A node's files, by the node's name.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Empties a folder, or makes it.
pub(crate) fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}
