use crate::command::output;
use crate::paths::{self, Paths};
use crate::wait::until;
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The cluster's administrator at the command line.
pub(crate) struct Kubectl {
    program: PathBuf,
    config: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self {
            program: paths.bin().join("kubectl"),
            config: paths.kubeconfig(),
        }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.config);
        command
    }

    /// Whether the API server answers and says that it is ready.
    pub(crate) fn ready(&self) -> bool {
        let probe = ["get", "--raw=/readyz", "--request-timeout=2s"];
        output(self.command().args(probe)).is_ok()
    }

    pub(crate) fn apply(&self, file_name: &str, manifest: &str, paths: &Paths) -> Result<()> {
        let file = paths.state().join(file_name);
        paths::write(&file, manifest)?;
        output(self.command().arg("apply").arg("--filename").arg(&file)).map(drop)
    }

    pub(crate) fn get(&self, what: &[&str]) -> Result<Value> {
        let text = output(self.command().arg("get").args(what).arg("--output=json"))?;
        serde_json::from_str(&text).context("read what kubectl answered")
    }

    /// Waits until an object's condition is true; a failure repeats the condition's message.
    pub(crate) fn await_condition(
        &self,
        what: &[&str],
        condition: &str,
        deadline: Duration,
        alive: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let mut last = String::from("it does not exist");
        let waited = until(&format!("{} {condition}", what.join(" ")), deadline, || {
            alive()?;
            // Before its first report the object may be missing, which is no failure yet.
            let object = self.get(what).unwrap_or_default();
            let found = find_condition(&object, condition);
            if let Some(message) = found["message"].as_str() {
                message.clone_into(&mut last);
            }
            Ok((found["status"] == "True").then_some(()))
        });
        waited.map_err(|error| anyhow!("{error} (last seen: {last})"))
    }
}

/// The condition of that type in an object's status, or null.
pub(crate) fn find_condition(object: &Value, condition: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|entry| entry["type"] == condition);
    found.cloned().unwrap_or_default()
}
