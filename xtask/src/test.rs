//! `cargo xtask test`: every check there is, from format to real pods.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use cluster::{Cluster, Group, Progress, Tools};

use crate::{demo, generate, graph, helpers};

/// Which checks.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Leave out the checks that need root and a local cluster
    #[arg(long)]
    no_cluster: bool,
    /// Also switch control planes under traffic, which takes a quarter of an hour
    #[arg(long, conflicts_with = "no_cluster")]
    long: bool,
    /// Leave the local cluster up afterwards
    #[arg(long)]
    keep_cluster: bool,
}

type Check = (&'static str, fn(&Path) -> Result<()>);

/// In the order in which a mistake is found soonest.
const CHECKS: [Check; 7] = [
    ("format", format),
    ("dependency graph", graph::check),
    ("generated files", generate::check),
    ("lints", lints),
    ("licences, bans and sources", deny),
    ("unit, property and process tests", tests),
    ("chart and API server tests", api_server_tests),
];
const CLUSTER_CHECKS: [Check; 1] = [("cluster tests", |at| cluster_tests(at, "cluster"))];
const LONG_CHECKS: [Check; 1] = [("long cluster tests", |at| cluster_tests(at, "long"))];

/// Runs every check, whichever fail, and ends with a table.
pub(crate) fn run(workspace: &Path, wanted: &Test) -> Result<()> {
    helpers::ensure(workspace)?;
    let mut results = run_all(workspace, &CHECKS);
    if !wanted.no_cluster {
        results.extend(run_all(workspace, &CLUSTER_CHECKS));
        if wanted.long {
            results.extend(run_all(workspace, &LONG_CHECKS));
        }
        if !wanted.keep_cluster {
            results.push(timed("end the local cluster", || {
                Cluster::new(workspace)?.down(Progress)
            }));
        }
    }
    summary(&results)
}

type Outcome = (&'static str, Duration, Result<()>);

fn run_all(workspace: &Path, checks: &[Check]) -> Vec<Outcome> {
    checks
        .iter()
        .map(|(name, check)| timed(name, || check(workspace)))
        .collect()
}

fn timed(name: &'static str, check: impl FnOnce() -> Result<()>) -> Outcome {
    eprintln!("\n== {name}");
    let begun = Instant::now();
    let result = check();
    if let Err(error) = &result {
        eprintln!("{error:#}");
    }
    (name, begun.elapsed(), result)
}

fn summary(results: &[Outcome]) -> Result<()> {
    println!("\n{:<34} {:>7}  result", "check", "seconds");
    for (name, taken, result) in results {
        let verdict = match result {
            Ok(()) => "passed".to_owned(),
            Err(error) => format!("FAILED: {}", first_line(&format!("{error:#}"))),
        };
        println!("{name:<34} {:>7.1}  {verdict}", taken.as_secs_f32());
    }
    let failed = results
        .iter()
        .filter(|(_, _, result)| result.is_err())
        .count();
    println!("{} passed, {failed} failed", results.len() - failed);
    if failed == 0 {
        Ok(())
    } else {
        bail!("{failed} checks failed; what they said is above")
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Runs a command with its output shown.
fn shown(command: &mut Command, remedy: &'static str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("start {program}"))?;
    if status.success() {
        Ok(())
    } else {
        bail!("{program} failed ({status}): {remedy}")
    }
}

fn cargo(workspace: &Path, words: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace).args(words);
    cargo
}

fn format(workspace: &Path) -> Result<()> {
    shown(
        &mut cargo(workspace, &["fmt", "--all", "--check"]),
        "run `cargo fmt --all`",
    )
}

fn lints(workspace: &Path) -> Result<()> {
    let words = [
        "clippy",
        "--release",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
    ];
    let mut clippy = cargo(workspace, &words);
    shown(
        clippy.args(["--deny", "warnings"]),
        "mend what clippy says above",
    )
}

fn deny(workspace: &Path) -> Result<()> {
    let mut deny = Command::new(helpers::path(workspace, "cargo-deny"));
    deny.current_dir(workspace)
        .args(["--offline", "check", "bans", "licenses", "sources"]);
    shown(&mut deny, "see deny.toml for what is allowed and why")
}

/// The programs first, since the process tests run them, some with sidecars, some beside Dapr's.
fn tests(workspace: &Path) -> Result<()> {
    crate::build::services(workspace, Progress)?;
    Tools::ensure(workspace, &[Group::Daprd, Group::Originals], Progress)?;
    nextest(workspace, "default")
}

fn api_server_tests(workspace: &Path) -> Result<()> {
    Tools::ensure(workspace, &[Group::Kubernetes], Progress)?;
    nextest(workspace, "api-server")
}

fn cluster_tests(workspace: &Path, profile: &str) -> Result<()> {
    let (cluster, images) = demo::prepare(workspace)?;
    let mut nextest = helpers::nextest(workspace, profile);
    nextest
        .env("TRILBY_TAG", images.tag)
        .env("TRILBY_DAPRD", images.daprd);
    nextest.env("KUBECONFIG", cluster.kubeconfig());
    shown(
        &mut nextest,
        "`cargo xtask test --keep-cluster` leaves the cluster up to look at",
    )
}

fn nextest(workspace: &Path, profile: &str) -> Result<()> {
    shown(
        &mut helpers::nextest(workspace, profile),
        "the failed tests are named above",
    )
}
