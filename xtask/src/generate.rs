//! Files written from others: CRDs, wire contracts, and the chart's copy of the CRDs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use cluster::output;

const SOURCE: &str = "crds/yaml";
const COPY: &str = "charts/dapr/crds";
const REMEDY: &str = "run `cargo xtask generate` and commit the result";

/// Writes everything anew.
pub(crate) fn run(workspace: &Path) -> Result<()> {
    for package in ["crds", "proto"] {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(workspace).env("UPDATE_GENERATED", "1");
        output(cargo.args(["test", "--release", "--package", package]))?;
    }
    let (copy, files) = (workspace.join(COPY), files(&workspace.join(SOURCE))?);
    for stale in names(&copy)?
        .into_iter()
        .filter(|name| !files.contains_key(name))
    {
        fs::remove_file(copy.join(stale))?;
    }
    for (name, text) in files {
        fs::write(copy.join(name), text)?;
    }
    Ok(())
}

/// Fails if the chart's CRDs are not those of `crds`; the packages test their own files.
pub(crate) fn check(workspace: &Path) -> Result<()> {
    if files(&workspace.join(SOURCE))? == files(&workspace.join(COPY))? {
        return Ok(());
    }
    bail!("{COPY} differs from {SOURCE}: {REMEDY}")
}

fn files(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let read = |name: PathBuf| Ok((name.clone(), fs::read_to_string(folder.join(name))?));
    names(folder)?.into_iter().map(read).collect()
}

fn names(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().into())).collect()
}
