//! `cargo xtask bench` and `compare`: our services and Dapr's own, side by side.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;
use cluster::{Group, Progress, Tools};

use crate::build;

/// How long to look, and at what.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How many seconds each service rests before its memory is read
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Only these services; all if none is named. `proxy` is measured alone: Dapr has none
    #[arg(long = "service")]
    services: Vec<String>,
}

/// Measures.
pub(crate) fn run(workspace: &Path, bench: &Bench) -> Result<()> {
    if bench.services.iter().any(|service| service == "proxy") {
        return start(workspace, &["proxy".into()]);
    }
    let mut arguments = vec![format!("--seconds={}", bench.seconds)];
    let services = bench.services.iter();
    arguments.extend(services.map(|service| format!("--service={service}")));
    start(workspace, &arguments)
}

/// Compares what both injectors make of the same pods.
pub(crate) fn compare(workspace: &Path) -> Result<()> {
    start(workspace, &["compare".into()])
}

/// Builds both sides, then starts the program; one of its own has what no other command needs.
fn start(workspace: &Path, arguments: &[String]) -> Result<()> {
    Tools::ensure(workspace, &[Group::Kubernetes, Group::Originals], Progress)?;
    build::services(workspace, Progress)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace);
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "bench",
        "--",
    ]);
    let status = cargo.args(arguments).status().context("start cargo")?;
    ensure!(
        status.success(),
        "the bench failed ({status}); what it said is above"
    );
    Ok(())
}
