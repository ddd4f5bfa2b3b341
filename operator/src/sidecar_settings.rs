//! The settings of sidecars, which the chart keeps in one `ConfigMap` for the injector and us.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often the mounted folder is read. The kubelet itself takes up to a minute and a half.
const GLANCE: Duration = Duration::from_secs(15);

/// The settings are others than those that the process began with. So much depends on them that it
/// begins anew, which takes no longer than to follow them.
#[derive(Debug, thiserror::Error)]
#[error("the settings of sidecars in {} changed; starting anew with them", folder.display())]
pub(crate) struct Changed {
    folder: PathBuf,
}

/// Variables of the injector's environment, as files of a folder.
#[derive(Clone, Debug)]
pub(crate) struct SidecarSettings {
    folder: PathBuf,
    read: BTreeMap<String, String>,
}

// === impl SidecarSettings ===

impl SidecarSettings {
    /// Reads the folder; one that isn't there has none.
    pub(crate) fn read(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            read: files(folder),
        }
    }

    /// A variable: of the folder, else of our own environment.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.read.get(name).cloned().or_else(|| env::var(name).ok())
    }

    /// Returns when it is time to stop, or to begin anew.
    pub(crate) async fn watch(self, stopping: CancellationToken) -> Result<(), Changed> {
        while stopping.run_until_cancelled(sleep(GLANCE)).await.is_some() {
            if files(&self.folder) != self.read {
                return Err(Changed {
                    folder: self.folder,
                });
            }
        }
        Ok(())
    }
}

/// Text files by their names; what the kubelet needs to swap them begins with two dots.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let text = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        (!name.starts_with("..")).then_some((name, text))
    };
    entries.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_variables() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("PATH"), "from a file").unwrap();
        fs::create_dir(folder.path().join("..data")).unwrap();
        let settings = SidecarSettings::read(folder.path());
        assert_eq!(settings.get("PATH").unwrap(), "from a file");
        assert_eq!(settings.get("HOME"), env::var("HOME").ok());
        assert_eq!(settings.read.len(), 1);
        let none = SidecarSettings::read(&folder.path().join("none"));
        assert_eq!(none.get("PATH"), env::var("PATH").ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_ends_the_watch() {
        let folder = tempfile::tempdir().unwrap();
        let settings = SidecarSettings::read(folder.path());
        let stopping = CancellationToken::new();
        let watch = settings.clone().watch(stopping.clone());
        let unchanged = tokio::time::timeout(GLANCE * 3, watch).await;
        assert!(unchanged.is_err(), "nothing changed");
        fs::write(folder.path().join("SIDECAR_IMAGE"), "daprd:2").unwrap();
        let told = settings.clone().watch(stopping.clone()).await.unwrap_err();
        assert!(told.to_string().contains("changed"));
        stopping.cancel();
        settings.watch(stopping).await.unwrap();
    }
}
