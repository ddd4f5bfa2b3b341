//! A Helm repository on this machine's loopback: our chart under the version of the images, and the
//! original's.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result};
use cluster::{DaprModule, output};
use e2e::Install;
use tempfile::TempDir;

/// The version of the original.
pub(super) const ORIGINAL: &str = "1.18.2";

/// Served until the test's process ends.
pub(super) struct Repository {
    pub(super) url: String,
    _folder: TempDir,
}

// === impl Repository ===

impl Repository {
    /// Packages the chart and serves it.
    pub(super) fn serve(install: &Install<'_>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let ours = install.workspace.join("charts/dapr");
        let original = DaprModule::find(install.workspace)?.chart();
        for (chart, version) in [(ours, &*install.images.tag), (original, ORIGINAL)] {
            let mut package = install.kube.helm(&["package"]);
            package.arg(chart);
            package.args([
                "--version",
                version,
                "--app-version",
                version,
                "--destination",
            ]);
            output(package.arg(folder.path()))?;
        }
        let mut index = install.kube.helm(&["repo", "index", "--url", &url]);
        output(index.arg(folder.path()))?;
        let served = folder.path().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is no concern of the next one's.
                let _ = answer(stream, &served);
            }
        });
        Ok(Self {
            url,
            _folder: folder,
        })
    }
}

fn answer(mut stream: TcpStream, folder: &Path) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let asked = lines.next().context("no request")??;
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let name = asked
        .split(' ')
        .nth(1)
        .and_then(|path| path.rsplit('/').next());
    let file: PathBuf = folder.join(name.unwrap_or_default());
    let (status, body) = match fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    Ok(())
}
