//! Images written as archives, without a container engine, and imported into the nodes.

mod archive;

use crate::cluster::Cluster;
use crate::containers::Containers;
use crate::elf;
use crate::paths::write;
use crate::progress::Progress;
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The container that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "docker.io/local/pause:1";
const COREDNS: &str = "docker.io/local/coredns:1.14.0";
const REDIS: &str = "docker.io/local/redis:7";
const DAPRD: &str = "docker.io/local/daprd:1.18.2";

/// The programs of this workspace that go into images: the services, the proxy and the test
/// application.
pub const PROGRAMS: [&str; 6] = [
    "operator",
    "injector",
    "sentry",
    "placement",
    "proxy",
    "testapp",
];

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What goes into an image: one layer of files and how to start.
#[derive(Clone, Debug)]
pub struct Image {
    /// With registry and tag, as pods name it: `docker.io/local/NAME:TAG`.
    pub name: String,
    /// Where each file is here, and its absolute path in the image.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
}

impl Image {
    /// An image of one program at `/FILE-NAME`, with the libraries that it needs and the machine's
    /// CA certificates.
    ///
    /// # Errors
    /// When the program is missing or its libraries can't be found.
    pub fn of(name: &str, program: &Path) -> Result<Self> {
        ensure!(
            program.is_file(),
            "{} for the image {name} is not built",
            program.display()
        );
        let file_name = program.file_name().context("a program without a name")?;
        let inside = Path::new("/").join(file_name);
        let mut files = vec![(program.to_owned(), inside.clone())];
        let libraries = elf::libraries(program)?.into_iter();
        files.extend(libraries.map(|library| (library.clone(), library)));
        files.push((CERTIFICATES.into(), CERTIFICATES.into()));
        let entrypoint = vec![inside.display().to_string()];
        Ok(Self {
            name: name.to_owned(),
            files,
            entrypoint,
        })
    }
}

/// The images of [`PROGRAMS`].
///
/// # Errors
/// When one of them is not built.
pub fn workspace(workspace: &Path, tag: &str) -> Result<Vec<Image>> {
    PROGRAMS
        .map(|name| {
            let program = workspace.join("target/release").join(name);
            Image::of(&format!("docker.io/local/{name}:{tag}"), &program)
        })
        .into_iter()
        .collect()
}

/// The unmodified sidecar's image, `docker.io/local/daprd:1.18.2`.
///
/// # Errors
/// When it is not built.
pub fn daprd(tools: &Tools) -> Result<Image> {
    Image::of(DAPRD, &tools.path("daprd"))
}

/// A broker for the tests, `docker.io/local/redis:7`, of Debian's package.
///
/// # Errors
/// When it is not installed.
pub fn redis() -> Result<Image> {
    Image::of(REDIS, Path::new("/usr/bin/redis-server"))
}

/// Dapr's own control plane, as `docker.io/local/original-NAME:1.18.2`.
///
/// # Errors
/// When one of them is not built.
pub fn originals(tools: &Tools) -> Result<Vec<Image>> {
    ["operator", "injector", "sentry", "placement", "scheduler"]
        .map(|name| {
            let program = tools.path("original").join(name);
            Image::of(&format!("docker.io/local/original-{name}:1.18.2"), &program)
        })
        .into_iter()
        .collect()
}

/// What every node needs before its first pod.
pub(crate) fn system(tools: &Tools) -> Result<[Image; 2]> {
    let mut pause = Image::of(PAUSE, Path::new("/usr/bin/catatonit"))?;
    pause.entrypoint.push("-P".to_owned());
    Ok([pause, Image::of(COREDNS, &tools.path("coredns"))?])
}

/// Brings images into every node of a running cluster; unchanged ones take no time.
///
/// # Errors
/// When an image can't be written or a node does not take it.
pub fn load(cluster: &Cluster, images: &[Image], progress: Progress) -> Result<()> {
    for image in images {
        load_one(cluster, image, progress)?;
    }
    Ok(())
}

fn load_one(cluster: &Cluster, image: &Image, progress: Progress) -> Result<()> {
    let digest = archive::digest(image)?;
    let mut lacking = Vec::new();
    for node in cluster.node_names()? {
        let (record, containers) = (record(cluster, &node, image), Containers::new(&node));
        let known = fs::read_to_string(&record).is_ok_and(|found| found == digest);
        if !(known && containers.images()?.contains(&image.name)) {
            lacking.push((record, containers));
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    progress.step(&format!("load image {}", image.name), || {
        import(cluster, image, &lacking)
    })?;
    lacking
        .iter()
        .try_for_each(|(record, _)| write(record, &digest))
}

fn import(cluster: &Cluster, image: &Image, nodes: &[(PathBuf, Containers)]) -> Result<()> {
    let file = cluster.folder().join(format!("{}.tar", file_name(image)));
    archive::write(image, &file)?;
    let imported = nodes
        .iter()
        .try_for_each(|(_, containers)| containers.import(&file));
    fs::remove_file(&file)?;
    imported.with_context(|| format!("import the image {}", image.name))
}

/// Where the digest of a node's copy is kept.
fn record(cluster: &Cluster, node: &str, image: &Image) -> PathBuf {
    cluster
        .folder()
        .join(node)
        .join("images")
        .join(file_name(image))
}

fn file_name(image: &Image) -> String {
    image.name.replace(['/', ':'], "_")
}
