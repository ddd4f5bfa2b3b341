//! A program as a child process that never outlives the value that holds it.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::poll;

/// What is repeated of a failed program's log.
const LAST_LINES: usize = 8;
/// A tick of the timer: what a measured start is exact to.
const TICK: Duration = Duration::from_millis(1);

/// What to start and how.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The whole environment; of two values the later one counts.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

/// A started program.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    name: String,
}

// === impl Launch ===

impl Launch {
    pub(crate) fn start(&self) -> Result<Running> {
        let name = self.program.display().to_string();
        let log = File::create(&self.log).with_context(|| format!("write the log of {name}"))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.envs(self.environment.clone());
        command.stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Running {
            child,
            log: self.log.clone(),
            name,
        })
    }

    /// Starts it and waits until `/healthz` answers 200; says how long that took.
    pub(crate) async fn start_healthy(&self, healthz: u16) -> Result<(Running, Duration)> {
        let begun = Instant::now();
        let mut running = self.start()?;
        let what = format!("{} gets healthy", running.name);
        let probe = async || {
            running.alive()?;
            Ok(poll::is_healthy(healthz).await)
        };
        poll::until(&what, TICK, probe).await?;
        Ok((running, begun.elapsed()))
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails with its last words if it ended.
    pub(crate) fn alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        bail!("{} ended unasked ({status}):\n{last}", self.name)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn interrupt(mut self) -> Result<()> {
        self.alive()?;
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).with_context(|| format!("interrupt {}", self.name))?;
        let what = format!("{} ends", self.name);
        let ended = async || Ok(self.child.try_wait()?.is_some());
        poll::until(&what, TICK, ended).await?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &tempfile::TempDir) -> Running {
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("WORD".into(), "why".into())],
            log: folder.path().join("log"),
        };
        launch.start().unwrap()
    }

    #[tokio::test]
    async fn an_early_end_repeats_the_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut running = shell("echo $WORD; exit 3", &folder);
        let ended = async || running.alive().map(|()| false);
        let error = poll::until("the end", TICK, ended).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("ended unasked (exit status: 3):\nwhy"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn dropped_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let running = shell("exec sleep 60", &folder);
        let process = PathBuf::from(format!("/proc/{}", running.pid()));
        assert!(process.exists());
        drop(running);
        assert!(!process.exists());
    }
}
