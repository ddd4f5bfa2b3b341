use crate::command::output;
use crate::progress::Progress;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// What a program is for the cluster, and the Debian package that has it.
const NEEDED: [(&str, &str); 12] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/conntrack", "conntrack"),
    ("/usr/bin/catatonit", "catatonit"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/openssl", "openssl"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
    ("/usr/bin/setsid", "util-linux"),
    ("/usr/bin/redis-server", "redis-server"),
];

/// Installs the Debian packages whose files are missing.
pub(crate) fn ensure(progress: Progress) -> Result<()> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    progress.step(&format!("install {}", missing.join(" ")), || {
        install(&missing)
    })
}

fn install(packages: &[&str]) -> Result<()> {
    let hint = || {
        format!(
            "install the packages {} by hand, or run on Debian or Ubuntu",
            packages.join(" ")
        )
    };
    output(apt_get().arg("update")).with_context(hint)?;
    let install = ["install", "--yes", "--no-install-recommends"];
    output(apt_get().args(install).args(packages)).with_context(hint)?;
    Ok(())
}

/// Services of a package (containerd has one) must not start: the cluster runs its own.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1")
        .arg("--quiet");
    command
}
