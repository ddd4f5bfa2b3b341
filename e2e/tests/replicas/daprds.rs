//! Real sidecars, each with an application: one that only calls, and two that host actors.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use cluster::{Group, free_ports};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    orders::{Order, Orders},
    replicas::{Life, Replica, Replicas, program, tool},
};

pub(crate) struct Daprds {
    daprd: PathBuf,
    ports: Vec<u16>,
    orders: Arc<Mutex<Orders>>,
    children: Vec<Child>,
    resources: TempDir,
}

/// Their app IDs, and whether they host actors.
pub(crate) const APPS: [(&str, bool); 3] = [("front", false), ("one", true), ("two", true)];
const STORE: &str = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec:
  type: state.in-memory
  version: v1
  metadata: [{name: actorStateStore, value: 'true'}]
";

// === impl Daprds ===

impl Daprds {
    /// The first of them. The sidecars know the replicas by a list of addresses, as on plain
    /// machines.
    pub(crate) fn start(count: usize, replicas: &Replicas) -> Self {
        let resources = tempfile::tempdir().unwrap();
        std::fs::write(resources.path().join("store.yaml"), STORE).unwrap();
        let mut all = Self {
            daprd: tool(Group::Daprd, "daprd"),
            ports: Vec::new(),
            orders: Arc::new(Mutex::new(Orders::of(APPS.len()))),
            children: Vec::new(),
            resources,
        };
        (0..count).for_each(|_| all.start_next(replicas));
        all
    }

    pub(crate) fn start_next(&mut self, replicas: &Replicas) {
        let index = self.ports.len();
        let (app, hosts) = APPS[index];
        let [port, http] = free_ports().unwrap();
        self.children.push(application(app, hosts, port, http));
        let flags = flags(app, port, http, self.resources.path(), replicas);
        let mut sidecar = Command::new(&self.daprd);
        let sidecar = sidecar.args(flags).stdout(Stdio::piped()).spawn();
        let mut sidecar = sidecar.unwrap();
        let log = sidecar.stdout.take().unwrap();
        let (orders, replicas) = (Arc::clone(&self.orders), replicas.replicas());
        std::thread::spawn(move || follow(log, index, &orders, &replicas));
        self.children.push(sidecar);
        self.ports.push(http);
    }

    /// Where the sidecars are called.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Waits until one replica, other than the one in this life, has unlocked them all.
    pub(crate) async fn settled_within(&self, time: Duration, gone: Option<Life>) {
        let other = |by: Life| Some(by) != gone;
        let settled = |orders: &Orders| orders.unlocked_by().is_some_and(other);
        self.wait_within(time, settled).await;
    }

    /// Waits until all have a table that they are not unlocked with.
    pub(crate) async fn updated_within(&self, time: Duration) {
        self.wait_within(time, Orders::are_updated).await;
    }

    async fn wait_within(&self, time: Duration, done: impl Fn(&Orders) -> bool) {
        let waiting = async {
            while !done(&self.orders.lock()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = timeout(time, waiting).await;
        assert!(waited.is_ok(), "not in time: {:?}", self.orders.lock());
    }

    /// Checks what they were sent since the last check.
    pub(crate) fn check_orders(&self) {
        self.orders.lock().check();
    }
}

impl Drop for Daprds {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn application(name: &str, hosts: bool, port: u16, sidecar: u16) -> Child {
    Command::new(program("testapp"))
        .arg(format!("--hostname={name}"))
        .arg(format!("--host-actors={hosts}"))
        .arg(format!("--app-port={port}"))
        .arg(format!("--dapr-http-port={sidecar}"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn flags(app: &str, port: u16, http: u16, resources: &Path, replicas: &Replicas) -> Vec<String> {
    let [grpc, internal, metrics, public] = free_ports().unwrap();
    vec![
        format!("--app-id={app}"),
        format!("--app-port={port}"),
        format!("--dapr-http-port={http}"),
        format!("--dapr-grpc-port={grpc}"),
        format!("--dapr-internal-grpc-port={internal}"),
        format!("--metrics-port={metrics}"),
        format!("--dapr-public-port={public}"),
        format!("--resources-path={}", resources.display()),
        format!(
            "--placement-host-address={}",
            replicas.addresses().join(",")
        ),
        "--dapr-listen-addresses=127.0.0.1".into(),
        "--dapr-internal-grpc-listen-address=127.0.0.1".into(),
        "--dapr-public-listen-address=127.0.0.1".into(),
        "--metrics-listen-address=127.0.0.1".into(),
        "--mode=standalone".into(),
        "--enable-mtls=false".into(),
        // Orders are logged at this level only.
        "--log-level=debug".into(),
    ]
}

/// Reads a sidecar's log to its end.
fn follow(log: ChildStdout, index: usize, orders: &Mutex<Orders>, replicas: &[Replica]) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        if let Some(address) = said(&line, "Connected to placement service: ") {
            let by = replicas
                .iter()
                .position(|replica| replica.address() == address);
            let by = by.unwrap();
            let life = (by, replicas[by].restarts());
            orders.lock().connected(index, &line, life);
        } else if let Some(order) = said(&line, "Handling placement order=") {
            orders.lock().handled(index, &line, Order::parse(order));
        }
    }
}

/// What follows these words in a line's message.
fn said<'l>(line: &'l str, words: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(words)?;
    rest.split('"').next()
}
