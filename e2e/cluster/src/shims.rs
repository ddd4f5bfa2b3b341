use crate::paths::RUN;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Kills the container shims of this cluster, and what runs in their containers, that outlived
/// their containerd. They are known by the socket that they were told, which is only ours.
pub(crate) fn kill() {
    let processes = processes();
    let ours =
        |p: &&Process| p.command.starts_with("/usr/bin/containerd-shim") && p.command.contains(RUN);
    for shim in processes.iter().filter(ours) {
        let children = processes.iter().filter(|process| process.parent == shim.id);
        children.chain([shim]).for_each(Process::kill);
    }
}

struct Process {
    id: i32,
    parent: i32,
    command: String,
}

impl Process {
    fn read(id: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        Some(Self {
            id,
            parent,
            command: command.replace('\0', " "),
        })
    }

    fn kill(&self) {
        Pid::from_raw(self.id).map(|pid| kill_process(pid, Signal::KILL).ok());
    }
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|e| Process::read(e.file_name().to_str()?.parse().ok()?))
        .collect()
}
