//! What both injectors make of the same pods, started side by side.
//!
//! ```text
//! cases.yaml -> Case -> review -> ours, original -> Answer
//!                                   |  reviewed again, and a dry run of the API server
//!                                   v
//!                Finding: differences, order, validity, faults -> Summary -> exit code
//! ```

mod cases;
mod difference;
mod dry_run;
mod finding;
mod injector;
mod summary;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use cluster::Progress;

use self::{cases::Cases, dry_run::DryRun, finding::Finding, injector::Injector, summary::Summary};
use crate::{service::Maker, stage::Stage};

/// Who is asked.
struct Both {
    original: Injector,
    ours: Injector,
    dry_run: DryRun,
}

/// Compares all cases and prints what was found.
pub(crate) async fn run(workspace: &Path) -> Result<()> {
    let workspace = fs::canonicalize(workspace).context("open the checkout")?;
    let cases = Cases::read()?;
    Progress.note("starting an API server and both injectors");
    let stage = Stage::set(&workspace).await?;
    stage.create("objects", &cases.manifest())?;
    let both = Both {
        original: Injector::start(&stage, Maker::Original).await?,
        ours: Injector::start(&stage, Maker::Ours).await?,
        dry_run: DryRun::new(stage.kubeconfig()).await?,
    };
    Progress.note("reviewing the pods");
    let mut findings = Vec::new();
    for case in cases.all() {
        let name = case.name.clone();
        let finding = Finding::of(&both, case).await;
        findings.push(finding.with_context(|| format!("the pod \"{name}\""))?);
    }
    conclude(&Summary::new(&findings, &cases.intended))
}

fn conclude(summary: &Summary<'_>) -> Result<()> {
    print!("{summary}");
    let problems = summary.problems();
    if problems.is_empty() {
        println!("No difference but the intended ones.");
        return Ok(());
    }
    for problem in &problems {
        println!("problem: {problem}");
    }
    bail!("{} problems, listed above", problems.len())
}
