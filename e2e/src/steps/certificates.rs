//! What a sidecar shows at its mTLS port.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::pod;
use crate::{Apps, CONTROL_PLANE, Kube, NAMESPACE};

/// The sidecar's port for other sidecars.
const INTERNAL: &str = ":50002";

/// The roots that sidecars are given now, PEM.
///
/// # Errors
/// If there is no trust bundle, or nothing in it.
pub fn roots(kube: &Kube) -> Result<String> {
    let words = [
        "get",
        "configmap",
        "dapr-trust-bundle",
        "--namespace",
        CONTROL_PLANE,
    ];
    let bundle = kube.json(&words)?;
    let roots = bundle["data"]["ca.crt"].as_str();
    let roots = roots.context("dapr-trust-bundle has no ca.crt")?;
    Ok(roots.to_owned())
}

/// Proves that back's sidecar presents a chain that ends in sentry's root.
///
/// # Errors
/// If it presents none, or one of another root.
pub fn certificate_chain(apps: &Apps<'_>) -> Result<String> {
    let root = roots(apps.kube)?;
    let file = std::env::temp_dir().join(format!("trilby-root-{}.pem", std::process::id()));
    fs::write(&file, root)?;
    let forward = Forward::open(apps.kube, &pod(apps.kube, "back")?)?;
    let shown = handshake(&forward.address, &file);
    fs::remove_file(&file)?;
    verdict(&shown?)
}

fn verdict(shown: &str) -> Result<String> {
    ensure!(
        shown.contains("Verify return code: 0 (ok)"),
        "openssl did not verify the chain:\n{shown}"
    );
    // After rotations the roots of before follow, each certified by the one it succeeded.
    let certificates = shown.matches("BEGIN CERTIFICATE").count();
    ensure!(
        certificates >= 2,
        "the sidecar showed {certificates} certificates, not leaf and issuer"
    );
    Ok(format!(
        "back's sidecar shows a chain of {certificates}; openssl verifies it by our root"
    ))
}

/// The sidecar asks for a client certificate, and openssl has none, so that the connection fails
/// after the chain was shown; only what was shown counts.
fn handshake(address: &str, root: &Path) -> Result<String> {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "s_client",
        "-connect",
        address,
        "-showcerts",
        "-alpn",
        "h2",
        "-CAfile",
    ]);
    openssl.arg(root).stdin(Stdio::null());
    let ended = openssl.output().context("start openssl")?;
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// A port of this machine that leads to a pod's.
struct Forward {
    child: Child,
    /// Held open, since kubectl ends when it can't tell of its next connection.
    output: BufReader<ChildStdout>,
    address: String,
}

// === impl Forward ===

impl Forward {
    fn open(kube: &Kube, pod: &str) -> Result<Self> {
        let target = format!("pod/{pod}");
        let words = ["port-forward", "--namespace", NAMESPACE, &target, INTERNAL];
        let mut child = kube.kubectl(&words).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("kubectl has no output")?);
        let mut forward = Self {
            child,
            output,
            address: String::new(),
        };
        forward.address = forward.told()?;
        Ok(forward)
    }

    /// The address out of `Forwarding from 127.0.0.1:40000 -> 50002`.
    fn told(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let address = line.split(' ').nth(2).map(ToOwned::to_owned);
        address.with_context(|| format!("kubectl said {line:?}"))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Ended already, or ends now; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
