//! `cargo xtask cluster`: the local Kubernetes by hand.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use cluster::{Cluster, Progress};
use std::path::Path;

/// What to do with the local Kubernetes.
#[derive(Debug, Args)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring it up, or make sure that it is; builds and installs what is missing
    Up {
        /// How many nodes, 1 or 2
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        nodes: u8,
    },
    /// End it and remove its mounts, network and cgroups
    Down,
    /// Say what of it runs; fails if it is not healthy
    Status,
    /// Print the path of the administrator's kubeconfig
    Kubeconfig,
}

/// Does it.
pub(crate) fn run(workspace: &Path, command: &Command) -> Result<()> {
    let cluster = Cluster::new(workspace)?;
    match command.action {
        Action::Up { nodes } => up(&cluster, nodes),
        Action::Down => cluster.down(Progress),
        Action::Status => status(&cluster),
        Action::Kubeconfig => {
            println!("{}", cluster.kubeconfig().display());
            Ok(())
        }
    }
}

fn up(cluster: &Cluster, nodes: u8) -> Result<()> {
    cluster.up(nodes, Progress)?;
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    Ok(())
}

fn status(cluster: &Cluster) -> Result<()> {
    let status = cluster.status();
    print!("{status}");
    status
        .is_healthy()
        .then_some(())
        .context("`cargo xtask cluster up` brings it up")
}
