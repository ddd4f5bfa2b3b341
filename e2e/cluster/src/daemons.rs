use crate::command::tail;
use crate::paths::{self, Paths, RUN};
use crate::wait::until;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a process may take to end by itself. Short, for what they would still write is thrown
/// away, and an API server can wait for its clients for ten seconds and more.
const GRACE: Duration = Duration::from_secs(3);
/// How long the kernel may take to end a killed one.
const KILLED: Duration = Duration::from_secs(20);

/// A process to start: it outlives its starter and writes to a log of its own.
pub(crate) struct Daemon {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The network namespace to enter; the machine's own if none.
    pub(crate) netns: Option<PathBuf>,
}

/// What is remembered of a started process: enough to never take another one for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// Start time in clock ticks since boot.
    started: u64,
    boot: String,
    log: PathBuf,
}

impl Record {
    /// Whether this very process still runs: same boot, same start time, not a zombie.
    pub(crate) fn alive(&self) -> bool {
        boot_id() == self.boot && start_time(self.pid) == Some(self.started)
    }

    /// The last lines that it wrote.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let words = tail(&String::from_utf8_lossy(&text), 12);
        format!("last lines of {}:\n{words}", self.log.display())
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid).filter(|_| self.alive());
        // It may end between the look and the signal, which is what was wanted.
        pid.map(|pid| kill_process(pid, signal).ok());
    }
}

/// Starts a process and records it.
pub(crate) fn start(paths: &Paths, daemon: &Daemon) -> Result<()> {
    let log = paths.logs().join(format!("{}.log", daemon.name));
    let mut child = command(daemon, &log)?
        .spawn()
        .with_context(|| format!("start {}", daemon.name))?;
    let pid = i32::try_from(child.id())?;
    let Some(started) = start_time(pid) else {
        bail!("{} ended at once: {}", daemon.name, child.wait()?);
    };
    let record = Record {
        name: daemon.name.clone(),
        pid,
        started,
        boot: boot_id(),
        log,
    };
    paths::write(&record_file(&daemon.name), serde_json::to_vec(&record)?)
}

/// `setsid` and `nsenter` replace themselves by the program, so the child's id is the daemon's.
fn command(daemon: &Daemon, log: &Path) -> Result<Command> {
    if log.exists() {
        fs::rename(log, log.with_extension("previous.log"))?;
    }
    paths::write(log, "")?;
    let output = File::options().append(true).open(log)?;
    let mut command = Command::new("setsid");
    if let Some(netns) = &daemon.netns {
        command
            .arg("nsenter")
            .arg(format!("--net={}", netns.display()));
    }
    command.arg(&daemon.program).args(&daemon.arguments);
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .current_dir("/");
    Ok(command)
}

/// Every recorded process, running or not, in order of name.
pub(crate) fn records() -> Vec<Record> {
    let files = fs::read_dir(records_folder())
        .into_iter()
        .flatten()
        .flatten();
    let mut records: Vec<Record> = files
        .filter_map(|file| serde_json::from_slice(&fs::read(file.path()).ok()?).ok())
        .collect();
    records.sort_by(|a, b| a.name.cmp(&b.name));
    records
}

/// Ends the recorded processes whose names `which` accepts, together, and forgets them.
pub(crate) fn stop(which: impl Fn(&str) -> bool) -> Result<()> {
    let records: Vec<Record> = records().into_iter().filter(|r| which(&r.name)).collect();
    for record in &records {
        record.signal(Signal::TERM);
    }
    let gone = || Ok(records.iter().all(|record| !record.alive()).then_some(()));
    if until("processes end", GRACE, gone).is_err() {
        for record in &records {
            record.signal(Signal::KILL);
        }
        until("killed processes end", KILLED, gone)?;
    }
    for record in records {
        fs::remove_file(record_file(&record.name))?;
    }
    Ok(())
}

/// Fails with the last words of the first process that ended unasked.
pub(crate) fn all_alive() -> Result<()> {
    match records().iter().find(|record| !record.alive()) {
        Some(record) => bail!("{} ended unasked; {}", record.name, record.last_words()),
        None => Ok(()),
    }
}

/// What a process that still runs said last, as the end of an error message.
pub(crate) fn last_words(name: &str) -> String {
    let running = records()
        .into_iter()
        .find(|record| record.name == name && record.alive());
    running
        .map(|record| format!("; {}", record.last_words()))
        .unwrap_or_default()
}

fn records_folder() -> PathBuf {
    Path::new(RUN).join("processes")
}

fn record_file(name: &str) -> PathBuf {
    records_folder().join(name)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Field 22 of `/proc/PID/stat` (proc(5)); none for a process that is gone or a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything, so count after the last one.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    fields.nth(18)?.parse().ok().filter(|_| state != "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pid: u32, started: u64) -> Record {
        let pid = i32::try_from(pid).unwrap();
        Record {
            name: "x".into(),
            pid,
            started,
            boot: boot_id(),
            log: PathBuf::new(),
        }
    }

    #[test]
    fn a_recycled_id_is_another_process() {
        let pid = std::process::id();
        let started = start_time(i32::try_from(pid).unwrap()).unwrap();
        assert!(record(pid, started).alive());
        assert!(!record(pid, started + 1).alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let started = start_time(i32::try_from(child.id()).unwrap()).unwrap();
        let record = record(child.id(), started);
        assert!(record.alive());
        child.kill().unwrap();
        until("the kill", GRACE, || Ok((!record.alive()).then_some(()))).unwrap();
        child.wait().unwrap();
    }
}
