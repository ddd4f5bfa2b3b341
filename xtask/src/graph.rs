//! The rules of the dependency graph, checked over `cargo metadata`.
//!
//! A crate that can't name tokio or a client can't do I/O; so the manifests guard the cores.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use cluster::output;
use serde::Deserialize;

/// What no core may reach, however indirectly.
const IO: [&str; 7] = [
    "tokio",
    "tonic",
    "axum",
    "hyper",
    "rustls",
    "kube-client",
    "reqwest",
];
const SHELLS: [&str; 5] = ["operator", "injector", "sentry", "placement", "proxy"];
/// Crates that depend on nothing of this workspace.
const LEAVES: [&str; 2] = ["crds", "proto"];
/// Where errors need no type, because a person reads them.
const EDGES: [&str; 10] = [
    "operator",
    "injector",
    "sentry",
    "placement",
    "proxy",
    "xtask",
    "e2e",
    "cluster",
    "bench",
    "testapp",
];

/// The part of `cargo metadata` that the rules look at.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// Absent for what the library or program itself needs.
    kind: Option<String>,
}

/// Fails with every broken rule of the workspace.
pub(crate) fn check(workspace: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(workspace)
        .args(["metadata", "--format-version=1", "--locked"]);
    let metadata = output(&mut cargo).context("ask cargo for the dependency graph")?;
    let broken = Graph::of(&serde_json::from_str(&metadata)?).violations();
    if broken.is_empty() {
        return Ok(());
    }
    bail!(
        "the dependency graph breaks its rules (docs/architecture.md):\n  {}",
        broken.join("\n  ")
    )
}

/// Names and the edges between them; development and build edges are left out.
struct Graph<'m> {
    edges: BTreeMap<&'m str, BTreeSet<&'m str>>,
    members: BTreeSet<&'m str>,
}

// === impl Graph ===

impl<'m> Graph<'m> {
    fn of(metadata: &'m Metadata) -> Self {
        let names: BTreeMap<&str, &str> = metadata
            .packages
            .iter()
            .map(|package| (&*package.id, &*package.name))
            .collect();
        let name = |id: &'m str| names.get(id).copied().unwrap_or(id);
        let normal =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let mut edges = BTreeMap::<_, BTreeSet<_>>::new();
        for node in &metadata.resolve.nodes {
            let to = node
                .deps
                .iter()
                .filter(normal)
                .map(|dependency| name(&dependency.pkg));
            edges.entry(name(&node.id)).or_default().extend(to);
        }
        Self {
            edges,
            members: metadata
                .workspace_members
                .iter()
                .map(|id| name(id))
                .collect(),
        }
    }

    fn violations(&self) -> Vec<String> {
        let members = self.members.iter();
        members.flat_map(|member| self.broken_by(member)).collect()
    }

    fn broken_by(&self, member: &str) -> Vec<String> {
        let direct: Vec<&str> = self
            .edges
            .get(member)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let within = |name: &&str| self.members.contains(name);
        let mut broken = Vec::new();
        let mut forbid = |rule: &str, found: Vec<&str>| {
            broken.extend(
                found
                    .iter()
                    .map(|name| format!("{member} -> {name}: {rule}")),
            );
        };
        if member.ends_with("-core") {
            forbid("a core reaches no I/O", self.reached(member, &IO));
        }
        if SHELLS.contains(&member) {
            let shells = direct
                .iter()
                .copied()
                .filter(|name| SHELLS.contains(name))
                .collect();
            forbid("shells meet over the wire, not in code", shells);
        }
        if LEAVES.contains(&member) {
            forbid(
                "a leaf depends on nothing here",
                direct.iter().copied().filter(within).collect(),
            );
        }
        if member == "process" {
            let others = direct
                .iter()
                .copied()
                .filter(within)
                .filter(|name| *name != "config");
            forbid("process knows nothing of Dapr", others.collect());
        }
        if !EDGES.contains(&member) {
            let anyhow = direct
                .iter()
                .copied()
                .filter(|name| *name == "anyhow")
                .collect();
            forbid("libraries have typed errors", anyhow);
        }
        broken
    }

    /// Which of `wanted` can be reached from `start`.
    fn reached<'w>(&self, start: &str, wanted: &[&'w str]) -> Vec<&'w str> {
        let mut seen = BTreeSet::new();
        let mut left = vec![start];
        while let Some(name) = left.pop() {
            let next = self.edges.get(name).into_iter().flatten().copied();
            left.extend(next.filter(|name| seen.insert(*name)));
        }
        wanted
            .iter()
            .copied()
            .filter(|name| seen.contains(name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A workspace of all named packages but those that start with a `~`, with these edges.
    fn violations(edges: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let names: BTreeSet<&str> = edges
            .iter()
            .flat_map(|(from, to, _)| [*from, *to])
            .collect();
        let node = |name: &&str| -> Value {
            let of = edges.iter().filter(|(from, _, _)| from == name);
            let deps: Vec<Value> = of
                .map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}))
                .collect();
            json!({"id": name, "deps": deps})
        };
        let external = ["tokio", "mio-like", "anyhow", "serde"];
        let metadata = json!({
            "packages": names.iter().map(|name| json!({"id": name, "name": name})).collect::<Vec<_>>(),
            "workspace_members": names.iter().filter(|name| !external.contains(name)).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        });
        Graph::of(&serde_json::from_value(metadata).unwrap()).violations()
    }

    #[test]
    fn allows_what_the_layout_allows() {
        let none = violations(&[
            ("sentry", "sentry-core", None),
            ("sentry", "tokio", None),
            ("sentry", "anyhow", None),
            ("sentry-core", "serde", None),
            ("sentry-core", "tokio", Some("dev")),
            ("process", "config", None),
        ]);
        assert!(none.is_empty(), "{none:?}");
    }

    #[test]
    fn finds_each_planted_violation() {
        let planted = [
            (
                vec![
                    ("sentry-core", "mio-like", None),
                    ("mio-like", "tokio", None),
                ],
                "sentry-core -> tokio",
            ),
            (vec![("sentry", "operator", None)], "sentry -> operator"),
            (vec![("crds", "config", None)], "crds -> config"),
            (vec![("process", "identity", None)], "process -> identity"),
            (vec![("identity", "anyhow", None)], "identity -> anyhow"),
        ];
        for (edges, expected) in planted {
            let found = violations(&edges);
            assert!(
                found.iter().any(|text| text.starts_with(expected)),
                "{expected}: {found:?}"
            );
        }
    }
}
