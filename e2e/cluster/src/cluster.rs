mod status;

pub use status::Status;

use crate::containers::Containers;
use crate::kubectl::Kubectl;
use crate::network::{MOST_NODES, Place, places};
use crate::node::Node;
use crate::paths::{self, Paths, RUN};
use crate::pki::Pki;
use crate::progress::Progress;
use crate::tools::{Group, Tools};
use crate::{cgroups, control_plane, daemons, dns, images, needs, shims, sweep};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a part may take until it is ready; five seconds is usual.
const DEADLINE: Duration = Duration::from_mins(2);

/// The one cluster of this machine, from one checkout's point of view.
#[derive(Clone, Debug)]
pub struct Cluster {
    paths: Paths,
}

/// What is remembered of a cluster that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Started {
    /// Its folder, which may be another checkout's.
    folder: PathBuf,
    nodes: u8,
    /// What its programs were built from.
    tools: String,
    /// Whether everything was ready once.
    complete: bool,
}

impl Cluster {
    /// Does nothing yet; `workspace` is the checkout's root.
    ///
    /// # Errors
    /// When the checkout can't be found.
    pub fn new(workspace: &Path) -> Result<Self> {
        Ok(Self {
            paths: Paths::new(workspace)?,
        })
    }

    /// Brings the cluster up with at least so many nodes, 1 or 2; reuses it if it is healthy, and
    /// ends it first if it is not or is another checkout's.
    ///
    /// # Errors
    /// When a need is not met, or a part does not become ready; the message says which, what it
    /// wrote last, and what to do.
    pub fn up(&self, nodes: u8, progress: Progress) -> Result<()> {
        ensure!(
            (1..=MOST_NODES).contains(&nodes),
            "1 or {MOST_NODES} nodes, not {nodes}"
        );
        needs::check()?;
        let _lock = lock()?;
        let tools = Tools::ensure(&self.paths.source(""), &[Group::Kubernetes], progress)?;
        let tools_stamp = tools.stamp(Group::Kubernetes)?;
        if self.healthy(nodes, &tools_stamp) {
            progress.note("the cluster is up already");
            return Ok(());
        }
        end(progress)?;
        needs::check_network()?;
        let mut started = Started {
            folder: self.folder(),
            nodes,
            tools: tools_stamp,
            complete: false,
        };
        started.write()?;
        self.start_anew(nodes, &tools, progress)
            .map_err(|error| anyhow!("{error:#}\n{}", self.advice()))?;
        started.complete = true;
        started.write()
    }

    /// Stops every process and container and starts them again on what etcd holds, as if the power
    /// of the whole cluster had failed.
    ///
    /// # Errors
    /// When it is not up, or a part does not become ready.
    pub fn restart(&self, progress: Progress) -> Result<()> {
        let _lock = lock()?;
        let started = self.started()?;
        let tools = Tools::ensure(&self.paths.source(""), &[Group::Kubernetes], progress)?;
        end(progress)?;
        started.write()?;
        let pki = Pki::of(&self.paths);
        self.start(started.nodes, &pki, &tools, progress)
    }

    /// Ends everything that [`Cluster::up`] started, whoever's checkout it was, and removes its
    /// mounts, network and cgroups. Images and logs stay.
    ///
    /// # Errors
    /// When a process does not end.
    pub fn down(&self, progress: Progress) -> Result<()> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "ending the local cluster needs root"
        );
        let _lock = lock()?;
        end(progress)
    }

    /// What runs and whether it is well.
    pub fn status(&self) -> Status {
        match Started::read().map(|started| started.folder) {
            None => Status::down(),
            Some(folder) if folder == self.folder() => Status::read(&Kubectl::new(&self.paths)),
            Some(folder) => Status {
                elsewhere: Some(folder),
                ..Status::down()
            },
        }
    }

    /// The administrator's kubeconfig; it exists while the cluster is up.
    pub fn kubeconfig(&self) -> PathBuf {
        self.paths.kubeconfig()
    }

    /// `kubectl` as the administrator.
    pub fn kubectl(&self) -> Command {
        Kubectl::new(&self.paths).command()
    }

    /// `helm` as the administrator.
    pub fn helm(&self) -> Command {
        let mut command = Command::new(self.paths.bin().join("helm"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The names of the nodes that were started.
    ///
    /// # Errors
    /// When the cluster is not up.
    pub fn node_names(&self) -> Result<Vec<String>> {
        Ok(places(self.started()?.nodes).map(Place::name).collect())
    }

    /// The folder of the cluster's state, with `logs` in it.
    pub fn folder(&self) -> PathBuf {
        self.paths.state()
    }

    /// What was started, if it is this checkout's.
    fn started(&self) -> Result<Started> {
        let started = Started::read().context("the local cluster is not up")?;
        ensure!(
            started.folder == self.folder(),
            "the running cluster is another checkout's"
        );
        Ok(started)
    }

    fn healthy(&self, nodes: u8, tools: &str) -> bool {
        let wanted = |s: &Started| {
            s.complete && s.nodes >= nodes && s.folder == self.folder() && s.tools == tools
        };
        Started::read().is_some_and(|started| wanted(&started) && self.status().is_healthy())
    }

    fn nodes(&self, count: u8) -> Vec<Node<'_>> {
        places(count)
            .map(|place| Node {
                place,
                paths: &self.paths,
            })
            .collect()
    }

    fn start_anew(&self, count: u8, tools: &Tools, progress: Progress) -> Result<()> {
        let names: Vec<String> = places(count).map(Place::name).collect();
        let pki = Pki::create(&self.paths, &names)?;
        pki.kubeconfig("admin", "127.0.0.1", &self.kubeconfig())?;
        control_plane::forget(&self.paths)?;
        self.start(count, &pki, tools, progress)
    }

    fn start(&self, count: u8, pki: &Pki, tools: &Tools, progress: Progress) -> Result<()> {
        let nodes = self.nodes(count);
        progress.step("network", || {
            nodes.iter().try_for_each(|node| node.place.create())
        })?;
        let first = nodes.first().context("a cluster without a node")?.place;
        control_plane::start(&self.paths, pki, first)?;
        progress.step("containerd", || nodes.iter().try_for_each(start_containers))?;
        images::load(self, &images::system(tools)?, progress)?;
        let kubectl = Kubectl::new(&self.paths);
        progress.step("API server", || await_api_server(&kubectl))?;
        control_plane::start_controllers(&self.paths, pki, first)?;
        nodes.iter().try_for_each(|node| node.join(pki))?;
        dns::apply(&kubectl, &self.paths)?;
        for node in &nodes {
            progress.step(&node.name(), || await_node(&kubectl, &node.name()))?;
        }
        progress.step("DNS", || {
            await_ready(&kubectl, &dns::DEPLOYMENT, "Available")
        })
    }

    fn advice(&self) -> String {
        format!(
            "All logs are in {}. `cargo xtask cluster down` removes what is left, \
             and `cargo xtask cluster up` tries again.",
            self.paths.logs().display()
        )
    }
}

fn start_containers(node: &Node<'_>) -> Result<()> {
    node.start_containers()?;
    node.containers().await_answer(daemons::all_alive)?;
    node.containers().remove_all()
}

fn await_api_server(kubectl: &Kubectl) -> Result<()> {
    let ready = || {
        daemons::all_alive()?;
        Ok(kubectl.ready().then_some(()))
    };
    crate::until("the API server is ready", DEADLINE, ready)
        .map_err(|error| anyhow!("{error}{}", daemons::last_words("kube-apiserver")))
}

fn await_node(kubectl: &Kubectl, name: &str) -> Result<()> {
    await_ready(kubectl, &["node", name], "Ready")
        .map_err(|error| anyhow!("{error}{}", daemons::last_words(&format!("{name}-kubelet"))))
}

fn await_ready(kubectl: &Kubectl, what: &[&str], condition: &str) -> Result<()> {
    kubectl.await_condition(what, condition, DEADLINE, daemons::all_alive)
}

/// Ends a cluster in the order in which its parts need each other.
fn end(progress: Progress) -> Result<()> {
    let started = Started::read();
    if started.is_none() && daemons::records().is_empty() {
        return Ok(());
    }
    progress.step("end the running cluster", || end_parts(started.as_ref()))
}

fn end_parts(started: Option<&Started>) -> Result<()> {
    let late = |name: &str| name.ends_with("-containerd");
    let data = |name: &str| control_plane::PARTS[..2].contains(&name);
    daemons::stop(|name| !late(name) && !data(name))?;
    end_containers();
    daemons::stop(|name| name == control_plane::PARTS[1])?;
    daemons::stop(|_| true)?;
    let folder = started.map_or(Path::new(RUN), |started| &started.folder);
    sweep::unmount_below(&[Path::new(RUN), folder]);
    places(MOST_NODES).for_each(Place::remove);
    cgroups::remove();
    sweep::remove_traces();
    Ok(())
}

/// Through each containerd that runs; what is left of one that died is ended by its shims.
fn end_containers() {
    let alive = |node: &String| {
        daemons::records()
            .iter()
            .any(|r| r.name == format!("{node}-containerd") && r.alive())
    };
    for node in places(MOST_NODES).map(Place::name).filter(alive) {
        if let Err(error) = Containers::new(&node).remove_all() {
            eprintln!("  containers of {node} are killed: {error:#}");
        }
    }
    shims::kill();
}

impl Started {
    fn file() -> PathBuf {
        Path::new(RUN).join("cluster.json")
    }

    fn read() -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::file()).ok()?).ok()
    }

    fn write(&self) -> Result<()> {
        paths::write(&Self::file(), serde_json::to_vec(self)?)
    }
}

/// One command at a time may start or end the machine's cluster.
fn lock() -> Result<File> {
    let file = File::create(format!("{RUN}.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!("another command is starting or ending the cluster right now: wait for it"),
    }
}
