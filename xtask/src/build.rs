//! What is compiled, always in the one profile.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use cluster::{Progress, images::PROGRAMS, output};

/// Compiles the services, the proxy and the test application.
pub(crate) fn services(workspace: &Path, progress: Progress) -> Result<()> {
    progress.step("compile the services", || {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(workspace)
            .args(["build", "--release", "--locked"]);
        for package in PROGRAMS {
            cargo.args(["--package", package]);
        }
        output(&mut cargo).context("the services do not compile")?;
        Ok(())
    })
}

/// A tag that changes with the programs, so that an upgrade replaces the pods of changed ones.
/// It stays a version, since tools of Dapr read it as one.
pub(crate) fn tag(workspace: &Path) -> Result<String> {
    let mut sums = Command::new("sha256sum");
    sums.current_dir(workspace.join("target/release"))
        .args(PROGRAMS);
    let mut hasher = DefaultHasher::new();
    output(&mut sums)?.hash(&mut hasher);
    Ok(format!(
        "{}-{:08x}",
        env!("CARGO_PKG_VERSION"),
        hasher.finish() >> 32
    ))
}
