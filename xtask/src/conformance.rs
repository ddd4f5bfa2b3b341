//! Dapr's own integration suite against the release binaries.
//!
//! The suite starts each binary against an API server of its own making. It runs as an ordinary
//! user, since Dapr's services refuse root in Kubernetes, and from a folder that this user may
//! read, wherever the checkout is.

mod report;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use cluster::{DaprModule, Group, Progress, Tools};
use report::Report;

use crate::build;

/// The suites of what exists here. Of the chart's, one compares descriptions of resources word for
/// word with those of Dapr's source, so it is left out: the words here are others.
const DEFAULT: &str = "^(operator|sentry|placement|injector|healthz|ports\
    |helm/(containers|service)|scheduler/helm)/";
/// The user `nobody` of every Linux.
const NOBODY: u32 = 65534;
const OURS: [&str; 4] = ["operator", "sentry", "placement", "injector"];
/// Programs that the suite wants for cases that need its own source tree; such cases fail.
const HELPERS: [&str; 2] = ["MCPSTDIOSERVER", "CONTROLLERGEN"];
/// What the cases of the chart ask to render it. They take the scheduler for granted.
const RENDERER: &str = "#!/bin/sh
exec ./helm template release-name --include-crds --set global.scheduler.enabled=true \"$@\"
";

/// Which cases, and whose binaries.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Which cases, as a regular expression over names such as `operator/api/getconfiguration`
    #[arg(default_value = DEFAULT)]
    focus: String,
    /// Dapr's own binaries instead of ours, to compare
    #[arg(long)]
    originals: bool,
    /// How many cases at once
    #[arg(long, default_value_t = 4)]
    parallel: u8,
}

/// Runs the suite, prints a table by group and the failed cases, and fails if any failed.
pub(crate) fn run(workspace: &Path, wanted: &Conformance) -> Result<()> {
    let groups = [Group::Originals, Group::Suite, Group::Helm];
    let tools = Tools::ensure(workspace, &groups, Progress)?;
    if !wanted.originals {
        build::services(workspace, Progress)?;
    }
    let stage = Stage::prepare(workspace, &tools, wanted.originals)?;
    let log = workspace.join(".cache/conformance/log.txt");
    let report = stage.run(wanted, &log)?;
    println!("{report}");
    println!("Log: {}", log.display());
    if report.is_clean() {
        Ok(())
    } else {
        bail!("some cases failed")
    }
}

/// A folder with everything that the suite needs, readable by an ordinary user.
struct Stage {
    folder: PathBuf,
}

// === impl Stage ===

impl Stage {
    fn prepare(workspace: &Path, tools: &Tools, originals: bool) -> Result<Self> {
        let stage = Self {
            folder: std::env::temp_dir().join("trilby-conformance"),
        };
        let _ = fs::remove_dir_all(&stage.folder);
        fs::create_dir_all(stage.folder.join("tmp"))?;
        fs::create_dir_all(workspace.join(".cache/conformance"))?;
        for name in ["dapr-integration", "helm"] {
            fs::copy(tools.path(name), stage.folder.join(name))?;
        }
        for name in ["daprd", "scheduler"] {
            fs::copy(tools.path("original").join(name), stage.folder.join(name))?;
        }
        for name in OURS {
            let ours = workspace.join("target/release").join(name);
            let from = if originals {
                tools.path("original").join(name)
            } else {
                ours
            };
            fs::copy(&from, stage.folder.join(name))
                .with_context(|| format!("copy {}", from.display()))?;
        }
        stage.copy_charts(workspace, originals)?;
        stage.write_renderer()?;
        fs::set_permissions(stage.folder.join("tmp"), fs::Permissions::from_mode(0o777))?;
        Ok(stage)
    }

    /// The definitions that came with the suite, since its mock API server serves those, and the
    /// chart to judge at the place where the cases look for it: beside their own source, whose
    /// path the compiler cut down to module and version.
    fn copy_charts(&self, workspace: &Path, originals: bool) -> Result<()> {
        let module = DaprModule::find(workspace)?;
        let theirs = module.chart();
        copy_folder(&theirs.join("crds"), &self.folder.join("crds"))?;
        let judged = if originals {
            theirs
        } else {
            workspace.join("charts/dapr")
        };
        let looked_for = format!("{}@{}/charts/dapr", module.path, module.version);
        copy_folder(&judged, &self.folder.join(looked_for))
    }

    fn write_renderer(&self) -> Result<()> {
        let file = self.renderer();
        fs::write(&file, RENDERER)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn renderer(&self) -> PathBuf {
        self.folder.join("helmtemplate")
    }

    /// Runs the cases, and once more by itself each that did not end: a case that panics takes
    /// the whole suite with it.
    fn run(&self, wanted: &Conformance, log: &Path) -> Result<Report> {
        let (mut report, mut log) = (Report::default(), File::create(log)?);
        self.run_once(&wanted.focus, wanted.parallel, &mut report, &mut log)?;
        for name in report.unended() {
            self.run_once(&format!("^{name}$"), 1, &mut report, &mut log)?;
        }
        if report.is_empty() {
            bail!("no case has a name like {}", wanted.focus);
        }
        Ok(report)
    }

    fn run_once(
        &self,
        focus: &str,
        parallel: u8,
        report: &mut Report,
        log: &mut File,
    ) -> Result<()> {
        let mut child = self
            .command(focus, parallel)
            .spawn()
            .context("start the suite")?;
        let lines = BufReader::new(child.stdout.take().context("the suite has no output")?).lines();
        for line in lines {
            let line = line?;
            writeln!(log, "{line}")?;
            if let Some(case) = report.read(&line) {
                eprintln!("  {case}");
            }
        }
        child.wait()?;
        Ok(())
    }

    fn command(&self, focus: &str, parallel: u8) -> Command {
        let mut suite = Command::new(self.folder.join("dapr-integration"));
        suite
            .args([
                "-test.v=test2json",
                "-test.timeout=40m",
                "-integration-parallel=true",
            ])
            .args(["-focus", focus])
            .arg(format!("-test.parallel={parallel}"))
            .current_dir(&self.folder)
            .env("HOME", self.folder.join("tmp"))
            .env("TMPDIR", self.folder.join("tmp"))
            .env("DAPR_INTEGRATION_CRD_DIRECTORY", self.folder.join("crds"))
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let programs = OURS.into_iter().chain(["daprd", "scheduler"]);
        for (name, path) in programs.map(|name| (name.to_uppercase(), self.folder.join(name))) {
            suite.env(format!("DAPR_INTEGRATION_{name}_PATH"), path);
        }
        suite.env("DAPR_INTEGRATION_HELMTEMPLATE_PATH", self.renderer());
        for name in HELPERS {
            suite.env(format!("DAPR_INTEGRATION_{name}_PATH"), "/bin/false");
        }
        suite
    }
}

/// Copies the files of a folder and of those below it, without their permissions.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::write(to, fs::read(from)?)?;
        }
    }
    Ok(())
}
