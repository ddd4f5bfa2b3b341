//! `cargo xtask bench`: our services and Dapr's own, measured side by side.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;
use cluster::{Group, Progress, Tools};

use crate::build;

/// How long to look.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How many seconds each service rests before its memory is read
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Builds both sides, then measures; the program of its own has what no other command needs.
pub(crate) fn run(workspace: &Path, bench: &Bench) -> Result<()> {
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
    cargo.arg(format!("--seconds={}", bench.seconds));
    let status = cargo.status().context("start cargo")?;
    ensure!(
        status.success(),
        "the bench failed ({status}); what it said is above"
    );
    Ok(())
}
