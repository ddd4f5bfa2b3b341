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

use self::{
    cases::{Case, Cases},
    dry_run::DryRun,
    finding::Finding,
    injector::Injector,
    summary::Summary,
};
use crate::{service::Maker, stage::Stage};

/// Who is asked.
struct Both<'a> {
    original: Injector,
    ours: Injector,
    dry_run: &'a DryRun,
}

/// Compares all cases and prints what was found.
pub(crate) async fn run(workspace: &Path) -> Result<()> {
    let workspace = fs::canonicalize(workspace).context("open the checkout")?;
    let cases = Cases::read()?;
    Progress.note("starting an API server and both injectors");
    let stage = Stage::set(&workspace, &Maker::BOTH).await?;
    stage.create("objects", &cases.manifest())?;
    let dry_run = DryRun::new(stage.kubeconfig()).await?;
    Progress.note("reviewing the pods");
    let mut findings = Vec::new();
    for told_the_same in cases.all().chunk_by(|a, b| a.injector == b.injector) {
        findings.extend(find(&stage, &dry_run, told_the_same).await?);
    }
    conclude(&Summary::new(&findings, &cases.intended))
}

/// Both injectors, started as the cases want them, look at the cases.
async fn find(stage: &Stage, dry_run: &DryRun, cases: &[Case]) -> Result<Vec<Finding>> {
    let told = cases.first().map(|case| case.injector.clone());
    let told = told.unwrap_or_default();
    let both = Both {
        original: Injector::start(stage, Maker::Original, &told).await?,
        ours: Injector::start(stage, Maker::Ours, &told).await?,
        dry_run,
    };
    let mut findings = Vec::new();
    for case in cases {
        let finding = Finding::of(&both, case).await;
        findings.push(finding.with_context(|| format!("the pod \"{}\"", case.name))?);
    }
    Ok(findings)
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
