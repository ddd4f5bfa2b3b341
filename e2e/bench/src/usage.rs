//! What a process uses, as the kernel tells it (proc(5)).

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// `VmRSS`: everything that is in memory, shared file pages too.
    pub(crate) resident: u64,
    /// `RssAnon`: what no other process shares and no file backs.
    pub(crate) anonymous: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = read(pid, "status")?;
    parse_status(&status).with_context(|| format!("the memory of process {pid}"))
}

/// Time on a processor since the start, of all threads, ended ones too; exact to a clock tick.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = parse_stat(&stat).with_context(|| format!("the CPU time of process {pid}"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

fn parse_status(status: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory {
        resident: kib("VmRSS:")?,
        anonymous: kib("RssAnon:")?,
    })
}

/// Fields 14 and 15, user and system. Counted behind the program's name, which may hold anything.
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernel_s_words() {
        let status = "Name:\tx\nVmRSS:\t    2228 kB\nRssAnon:\t     156 kB\n";
        let memory = Memory {
            resident: 2228,
            anonymous: 156,
        };
        assert_eq!(parse_status(status), Some(memory));
        assert_eq!(parse_status("Name:\tx\n"), None);
    }

    #[test]
    fn counts_behind_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 99";
        assert_eq!(parse_stat(stat), Some(42));
    }

    #[test]
    fn this_process_has_used_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0);
        cpu(std::process::id()).unwrap();
    }
}
