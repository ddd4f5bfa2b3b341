//! Cargo's helpers, installed into the ignored cache so that a fresh machine needs none.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use cluster::{Progress, output};

/// Names and versions.
const HELPERS: [(&str, &str); 2] = [("cargo-nextest", "0.9.151"), ("cargo-deny", "0.20.2")];

/// Installs what is missing or of another version. From nothing that takes minutes, and would take
/// twice as many if they were optimised.
pub(crate) fn ensure(workspace: &Path) -> Result<()> {
    for (name, version) in HELPERS {
        if installed(&path(workspace, name), version) {
            continue;
        }
        Progress.step(&format!("install {name} {version}"), || {
            let root = workspace.join(".cache/cargo");
            let mut cargo = Command::new("cargo");
            cargo
                .args(["install", "--locked", "--force", "--debug", "--root"])
                .arg(&root);
            cargo
                .arg("--target-dir")
                .arg(root.join("target"))
                .arg(format!("{name}@{version}"));
            output(&mut cargo).map(drop)
        })?;
    }
    Ok(())
}

/// Where a helper is.
pub(crate) fn path(workspace: &Path, name: &str) -> PathBuf {
    workspace.join(".cache/cargo/bin").join(name)
}

/// nextest with a profile of `.config/nextest.toml`.
pub(crate) fn nextest(workspace: &Path, profile: &str) -> Command {
    let mut nextest = Command::new(path(workspace, "cargo-nextest"));
    nextest
        .current_dir(workspace)
        .args(["nextest", "run", "--workspace", "--locked"]);
    nextest.args(["--cargo-profile", "release", "--profile", profile]);
    nextest
}

fn installed(program: &Path, version: &str) -> bool {
    let mut command = Command::new(program);
    // Both print their version alone, or behind their name and subcommand's.
    let said = output(command.args(["--version"]));
    said.is_ok_and(|said| said.contains(version))
}
