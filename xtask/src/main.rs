//! One entry for people and CI: demo, test, cluster, conformance, generate, bench,
//! compare.

mod bench;
mod build;
mod cluster;
mod conformance;
mod demo;
mod generate;
mod graph;
mod helpers;
mod test;

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// One entry for people and CI
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole product at work on a local cluster, or on one of yours
    Demo(demo::Demo),
    /// Run every check: format, lints, graph, unit to cluster tests
    Test(test::Test),
    /// The local Kubernetes: up, down, status, kubeconfig
    Cluster(cluster::Command),
    /// Run Dapr's own integration suite against our binaries
    Conformance(conformance::Conformance),
    /// Measure our services next to Dapr's own: start, memory, CPU, load
    Bench(bench::Bench),
    /// Compare what our injector and Dapr's own make of the same pods
    Compare,
    /// Write all generated files anew
    Generate,
    /// Check the rules of the dependency graph
    Graph,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    match Xtask::parse().command {
        Command::Demo(demo) => demo::run(&workspace, &demo),
        Command::Test(wanted) => test::run(&workspace, &wanted),
        Command::Cluster(command) => cluster::run(&workspace, &command),
        Command::Conformance(wanted) => conformance::run(&workspace, &wanted),
        Command::Bench(wanted) => bench::run(&workspace, &wanted),
        Command::Compare => bench::compare(&workspace),
        Command::Generate => generate::run(&workspace),
        Command::Graph => graph::check(&workspace),
    }
}
