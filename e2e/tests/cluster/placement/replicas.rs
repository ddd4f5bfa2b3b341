//! The replicas of placement: pods, and the processes behind them on this machine.

use std::{
    fmt, fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use e2e::{CONTROL_PLANE, Kube};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A replica of placement, until its process ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    process: i32,
    pod: String,
    address: IpAddr,
}

/// A paused replica, which goes on when this is dropped.
pub(crate) struct Paused(Replica);

/// What is done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Kill,
    Pause,
}

/// Within what a replica answers, unless it is dead or paused.
const PROMPT: Duration = Duration::from_millis(300);
const HEALTH: u16 = 8080;

/// The replicas that run on this machine.
pub(crate) fn list(kube: &Kube) -> Vec<Replica> {
    let selector = "app=dapr-placement-server";
    let words = [
        "get",
        "pods",
        "--namespace",
        CONTROL_PLANE,
        "--selector",
        selector,
    ];
    let pods = kube.json(&words).unwrap();
    let pods = pods["items"].as_array().into_iter().flatten();
    pods.filter_map(Replica::of).collect()
}

// === impl Replica ===

impl Replica {
    fn of(pod: &Value) -> Option<Self> {
        let name = pod["metadata"]["name"].as_str()?;
        Some(Self {
            process: process(name)?,
            pod: name.to_owned(),
            address: pod["status"]["podIP"].as_str()?.parse().ok()?,
        })
    }

    /// Whether it hands out tables: others show no state.
    pub(crate) fn leads(&self) -> bool {
        let state = self.state().unwrap_or_default();
        let (head, body) = state.split_once("\r\n\r\n").unwrap_or_default();
        let shown = head.starts_with("HTTP/1.1 ") && body.trim() != "null";
        shown && process(&self.pod) == Some(self.process)
    }

    fn state(&self) -> std::io::Result<String> {
        let address = SocketAddr::new(self.address, HEALTH);
        let mut stream = TcpStream::connect_timeout(&address, PROMPT)?;
        stream.set_read_timeout(Some(PROMPT))?;
        let request = "GET /placement/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// It goes on, if it was paused, when the answer is dropped.
    pub(crate) fn hurt(&self, how: How) -> Option<Paused> {
        if how == How::Kill {
            self.signal(Signal::KILL).unwrap();
            return None;
        }
        self.signal(Signal::STOP).unwrap();
        Some(Paused(self.clone()))
    }

    fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        kill_process(Pid::from_raw(self.process).unwrap(), signal)
    }

    /// Has the pod deleted at once, so that another takes its place without the delay of a
    /// container that ends again and again.
    pub(crate) fn replace(&self, kube: &Kube) {
        let words = ["delete", "pod", &self.pod, "--namespace", CONTROL_PLANE];
        let now = ["--grace-period=0", "--force", "--wait=true"];
        kube.run(&[&words[..], &now].concat()).unwrap();
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = self.0.signal(Signal::CONT);
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pod)
    }
}

/// The process in a pod, which knows the pod's name.
fn process(pod: &str) -> Option<i32> {
    let id = format!("--id={pod}");
    let is_it = |process: &i32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.next() == Some(b"/placement") && words.any(|word| word == id.as_bytes())
    };
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(is_it).max()
}
