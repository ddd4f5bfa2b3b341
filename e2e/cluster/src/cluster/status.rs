use crate::daemons;
use crate::kubectl::{Kubectl, find_condition};
use std::fmt;
use std::path::PathBuf;

/// What of the cluster runs.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether this checkout's cluster was started and not ended.
    pub started: bool,
    /// The folder of another checkout's cluster, if that is the one on this machine.
    pub elsewhere: Option<PathBuf>,
    /// Whether the API server says that it is ready.
    pub api_server: bool,
    /// Each process by name, with its id, and whether it runs.
    pub processes: Vec<(String, i32, bool)>,
    /// Each node by name, and whether it is Ready.
    pub nodes: Vec<(String, bool)>,
}

impl Status {
    /// Nothing runs.
    pub(super) fn down() -> Self {
        let (processes, nodes) = (Vec::new(), Vec::new());
        Self {
            started: false,
            elsewhere: None,
            api_server: false,
            processes,
            nodes,
        }
    }

    pub(super) fn read(kubectl: &Kubectl) -> Self {
        let records = daemons::records();
        let processes = records
            .iter()
            .map(|r| (r.name.clone(), r.pid, r.alive()))
            .collect();
        let api_server = kubectl.ready();
        let nodes = if api_server {
            nodes(kubectl)
        } else {
            Vec::new()
        };
        Self {
            started: true,
            elsewhere: None,
            api_server,
            processes,
            nodes,
        }
    }

    /// Whether everything that was started runs and all nodes are Ready.
    pub fn is_healthy(&self) -> bool {
        self.api_server
            && self.processes.iter().all(|(.., alive)| *alive)
            && !self.nodes.is_empty()
            && self.nodes.iter().all(|(_, ready)| *ready)
    }
}

fn nodes(kubectl: &Kubectl) -> Vec<(String, bool)> {
    let list = kubectl.get(&["nodes"]).unwrap_or_default();
    let ready = |node: &serde_json::Value| find_condition(node, "Ready")["status"] == "True";
    let name =
        |node: &serde_json::Value| node["metadata"]["name"].as_str().unwrap_or("").to_owned();
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| (name(node), ready(node)))
        .collect()
}

impl fmt::Display for Status {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.elsewhere {
            return writeln!(
                to,
                "Another checkout's cluster is up: {}.",
                folder.display()
            );
        }
        if !self.started {
            return writeln!(to, "The local cluster is down.");
        }
        let health = if self.is_healthy() {
            "up and healthy"
        } else {
            "NOT healthy"
        };
        writeln!(to, "The local cluster is {health}.")?;
        for (name, ready) in &self.nodes {
            writeln!(
                to,
                "  {name:<28} {}",
                if *ready { "Ready" } else { "NOT Ready" }
            )?;
        }
        for (name, pid, alive) in &self.processes {
            let state = if *alive { "runs" } else { "ENDED" };
            writeln!(to, "  {name:<28} {state}, process {pid}")?;
        }
        Ok(())
    }
}
