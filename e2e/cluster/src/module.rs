use crate::command::output;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Dapr's own module, which the unmodified programs are built from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DaprModule {
    /// Its name, `github.com/dapr/dapr`.
    pub path: String,
    /// Its version, with a leading `v`.
    pub version: String,
    /// Where its files are.
    pub dir: PathBuf,
}

impl DaprModule {
    /// Finds it in Go's cache; brings it there first where it is missing.
    ///
    /// # Errors
    /// If Go fails.
    pub fn find(workspace: &Path) -> Result<Self> {
        let mut go = Command::new("go");
        go.current_dir(workspace.join("e2e/tools/dapr"));
        let said = output(go.args(["mod", "download", "-json", "github.com/dapr/dapr"]))?;
        serde_json::from_str(&said).context("read what Go said of Dapr's module")
    }

    /// Dapr's Helm chart.
    pub fn chart(&self) -> PathBuf {
        self.dir.join("charts/dapr")
    }
}
