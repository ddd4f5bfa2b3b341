//! One entry for people and CI: demo, test, cluster, conformance, generate.

mod cluster;

use clap::{Parser, Subcommand};
use std::path::Path;

/// One entry for people and CI
#[derive(Debug, Parser)]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The local Kubernetes: up, down, status, kubeconfig
    Cluster(cluster::Command),
}

fn main() -> anyhow::Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match Xtask::parse().command {
        Command::Cluster(command) => cluster::run(&workspace, &command),
    }
}
