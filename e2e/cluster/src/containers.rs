use crate::command::output;
use crate::paths::RUN;
use crate::wait::until;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A node's containerd, through its own command line.
pub(crate) struct Containers {
    folder: PathBuf,
}

impl Containers {
    pub(crate) fn new(node: &str) -> Self {
        Self {
            folder: Path::new(RUN).join(node),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("containerd")
    }

    pub(crate) fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command
            .arg("--address")
            .arg(self.socket())
            .args(["--namespace", "k8s.io"]);
        command
    }

    pub(crate) fn await_answer(&self, alive: impl Fn() -> Result<()>) -> Result<()> {
        until("containerd answers", Duration::from_secs(30), || {
            alive()?;
            Ok(output(self.ctr().args(["version"])).is_ok().then_some(()))
        })
    }

    pub(crate) fn images(&self) -> Result<Vec<String>> {
        let list = output(self.ctr().args(["images", "list", "--quiet"]))?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    pub(crate) fn import(&self, archive: &Path) -> Result<()> {
        output(self.ctr().args(["images", "import"]).arg(archive)).map(drop)
    }

    /// Ends and removes every container, also those that an earlier containerd left.
    pub(crate) fn remove_all(&self) -> Result<()> {
        let list = output(self.ctr().args(["containers", "list", "--quiet"]))?;
        let containers: Vec<&str> = list.split_whitespace().collect();
        if containers.is_empty() {
            return Ok(());
        }
        // Some have no task any more, for which both commands report an error but do the rest.
        output(
            self.ctr()
                .args(["tasks", "delete", "--force"])
                .args(&containers),
        )
        .ok();
        output(self.ctr().args(["containers", "delete"]).args(&containers)).map(drop)
    }
}
