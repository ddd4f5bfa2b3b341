use crate::command::output;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The controllers that a kubelet asks for (cgroup v1 only; v2 has them all in one place).
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Checks what can't be installed, so that a missing need is named before any work is done.
pub(crate) fn check() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the local cluster needs root (it makes network namespaces, cgroups and mounts): \
         run the same command as root"
    );
    cgroups()?;
    kernel()
}

fn cgroups() -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let v2 = root.join("cgroup.controllers").exists();
    for controller in CONTROLLERS {
        ensure!(
            v2 || root.join(controller).is_dir(),
            "the cgroup controller {controller} is not mounted below {}: pods need it",
            root.display()
        );
    }
    Ok(())
}

fn kernel() -> Result<()> {
    ensure!(
        output(Command::new("unshare").args(["--net", "true"])).is_ok(),
        "no network namespace can be made here: pods need one each \
         (in a container, it must be privileged)"
    );
    ensure!(
        loaded("overlay", overlay_known),
        "the kernel has no overlayfs: containerd needs it for images"
    );
    ensure!(
        loaded("br_netfilter", || Path::new("/proc/sys/net/bridge")
            .exists()),
        "the kernel has no br_netfilter: Services would not work between pods of one node"
    );
    Ok(())
}

/// Checks that nobody else's network is in the way, for `down` would remove it.
pub(crate) fn check_network() -> Result<()> {
    ensure!(
        !Path::new("/sys/class/net/cni0").exists(),
        "there is a bridge cni0 that this cluster did not make: another Kubernetes seems to run \
         on this machine; end it first, or, if nothing uses the bridge, `ip link delete cni0`"
    );
    Ok(())
}

fn overlay_known() -> bool {
    fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("\toverlay"))
}

/// Built in, loaded already, or loaded now.
fn loaded(module: &str, known: impl Fn() -> bool) -> bool {
    known() || (output(Command::new("modprobe").arg(module)).is_ok() && known())
}
