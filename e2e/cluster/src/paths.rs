use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Process records, sockets and other things that mean nothing after a reboot.
///
/// Outside of the checkout, because the cluster belongs to the machine: another checkout must find
/// and end it, and socket paths must be short.
pub(crate) const RUN: &str = "/run/trilby-cluster";

/// Socket paths end at 108 bytes, and the kubelet's are about 50 below the state folder.
const LONGEST_STATE: usize = 55;

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

    /// Everything that the cluster writes and that is not in [`RUN`]: in the checkout's cache, or
    /// in a folder of its own where the checkout's name is too long for sockets.
    pub(crate) fn state(&self) -> PathBuf {
        let inside = self.source(".cache/cluster");
        if inside.as_os_str().len() <= LONGEST_STATE {
            return inside;
        }
        let mut hasher = DefaultHasher::new();
        self.workspace.hash(&mut hasher);
        Path::new("/var/tmp").join(format!("trilby-cluster-{:016x}", hasher.finish()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn state(workspace: &str) -> PathBuf {
        let workspace = PathBuf::from(workspace);
        Paths { workspace }.state()
    }

    #[test]
    fn the_state_is_in_the_checkout_unless_its_name_is_too_long() {
        assert_eq!(
            state("/src/trilby"),
            Path::new("/src/trilby/.cache/cluster")
        );
        let (one, other) = (state(&"/long".repeat(20)), state(&"/longer".repeat(20)));
        assert!(one.as_os_str().len() <= LONGEST_STATE && one != other);
        assert_eq!(one, state(&"/long".repeat(20)));
    }
}
