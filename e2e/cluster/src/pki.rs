use crate::command::output;
use crate::network::{SERVICE_GATEWAY, nodes_gateways};
use crate::paths::{Paths, write};
use anyhow::Result;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The API server's address from everywhere on the machine.
pub(crate) const PORT: u16 = 6443;

const DAYS: &str = "3650";

/// The cluster's certificate authority and what it issued, in one folder.
///
/// OpenSSL does the work: Debian has it wherever it has the CA certificates, and a Rust crypto
/// library would take a minute to compile before the first command can run.
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// That which [`Pki::create`] made.
    pub(crate) fn of(paths: &Paths) -> Self {
        Self {
            folder: paths.pki(),
        }
    }

    /// Makes everything anew; old certificates die with their cluster.
    pub(crate) fn create(paths: &Paths, nodes: &[String]) -> Result<Self> {
        let pki = Self::of(paths);
        crate::paths::fresh(&pki.folder)?;
        fs::set_permissions(&pki.folder, fs::Permissions::from_mode(0o700))?;
        pki.authority()?;
        pki.issue("kube-apiserver", "/CN=kube-apiserver", &server_names())?;
        for (name, subject) in clients(nodes) {
            pki.issue(&name, &subject, "DNS:client")?;
        }
        pki.service_account_key()?;
        Ok(pki)
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// Writes the kubeconfig of one client.
    pub(crate) fn kubeconfig(&self, client: &str, server: &str, file: &Path) -> Result<()> {
        let name = "trilby";
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {
                "server": format!("https://{server}:{PORT}"),
                "certificate-authority": self.certificate("ca"),
            }}],
            "users": [{"name": client, "user": {
                "client-certificate": self.certificate(client),
                "client-key": self.key(client),
            }}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": client}}],
        });
        write(file, serde_json::to_vec_pretty(&config)?)
    }

    fn authority(&self) -> Result<()> {
        let mut command = self.request("ca", "/CN=trilby-cluster");
        command.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        output(&mut command).map(drop)
    }

    fn issue(&self, name: &str, subject: &str, names: &str) -> Result<()> {
        let mut command = self.request(name, subject);
        command
            .arg("-CA")
            .arg(self.certificate("ca"))
            .arg("-CAkey")
            .arg(self.key("ca"));
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.args(["-addext", "extendedKeyUsage=serverAuth,clientAuth"]);
        command.args(["-addext", &format!("subjectAltName={names}")]);
        output(&mut command).map(drop)
    }

    fn request(&self, name: &str, subject: &str) -> Command {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]);
        command.args(["-noenc", "-days", DAYS, "-subj", subject]);
        command
            .arg("-keyout")
            .arg(self.key(name))
            .arg("-out")
            .arg(self.certificate(name));
        command
    }

    /// RSA, because that is what every other cluster signs its tokens with.
    fn service_account_key(&self) -> Result<()> {
        let mut command = Command::new("openssl");
        command.args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ]);
        output(command.arg("-out").arg(self.key("service-account"))).map(drop)
    }
}

/// Client certificates: file name, and the subject that the API server takes as user and group.
fn clients(nodes: &[String]) -> Vec<(String, String)> {
    let plain = |name: &str| (name.to_owned(), format!("/CN=system:{name}"));
    let mut clients = vec![
        ("admin".to_owned(), "/O=system:masters/CN=admin".to_owned()),
        plain("kube-controller-manager"),
        plain("kube-scheduler"),
        plain("kube-proxy"),
    ];
    let node = |name: &String| {
        (
            name.clone(),
            format!("/O=system:nodes/CN=system:node:{name}"),
        )
    };
    clients.extend(nodes.iter().map(node));
    clients
}

fn server_names() -> String {
    let mut names = vec!["IP:127.0.0.1".to_owned(), format!("IP:{SERVICE_GATEWAY}")];
    names.extend(nodes_gateways().map(|address| format!("IP:{address}")));
    let service = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
    names.extend(service.iter().map(|end| format!("DNS:kubernetes{end}")));
    names.push("DNS:localhost".to_owned());
    names.join(",")
}
