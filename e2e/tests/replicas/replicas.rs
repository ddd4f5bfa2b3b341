//! Three replicas, each started again when it ends, as a kubelet would; ours, or Dapr's own.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::{Group, Progress, Tools, free_ports};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{FAIL_OVER, http};

/// Whose placement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Maker {
    Ours,
    Dapr,
}

/// Each has an address of its own, since all answer sidecars on one port, as in a cluster.
#[derive(Clone, Copy)]
struct Ports {
    host: Ipv4Addr,
    api: u16,
    peer: u16,
    health: u16,
    metrics: u16,
}

/// A replica, and how often it had been started again. A leader serves in one life only.
pub(crate) type Life = (usize, usize);

pub(crate) struct Replica {
    ports: Ports,
    running: Mutex<Running>,
    restarts: AtomicUsize,
}

struct Running {
    maker: Maker,
    child: Child,
}

pub(crate) struct Replicas {
    replicas: Arc<Vec<Replica>>,
    over: Arc<AtomicBool>,
}

/// Within what a replica answers, unless it is dead or frozen.
const PROMPT: Duration = Duration::from_millis(300);
const RESTART: Duration = Duration::from_millis(300);
/// Between two looks for a leader.
const GLANCE: Duration = Duration::from_millis(20);
/// What a cluster takes at least to start a pod in the place of another.
const REPLACED: Duration = Duration::from_millis(1500);

impl Replicas {
    pub(crate) fn start() -> Self {
        Self::start_by(Maker::Ours)
    }

    pub(crate) fn start_by(maker: Maker) -> Self {
        let [api] = free_ports().unwrap();
        let ports: Vec<_> = (1..=3).map(|index| Ports::free(index, api)).collect();
        let replicas = (0..3).map(|index| Replica {
            ports: ports[index],
            running: Mutex::new(Running::start(maker, index, &ports)),
            restarts: AtomicUsize::new(0),
        });
        let all = Self {
            replicas: Arc::new(replicas.collect()),
            over: Arc::default(),
        };
        all.watch(ports);
        all
    }

    fn watch(&self, ports: Vec<Ports>) {
        let (replicas, over) = (Arc::clone(&self.replicas), Arc::clone(&self.over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                std::thread::sleep(RESTART);
                for (index, replica) in replicas.iter().enumerate() {
                    let mut running = replica.running.lock();
                    let ended = running.child.try_wait().unwrap().is_some();
                    if ended && !over.load(Ordering::Acquire) {
                        replica.restarts.fetch_add(1, Ordering::Relaxed);
                        *running = Running::start(running.maker, index, &ports);
                    }
                }
            }
        });
    }

    pub(crate) fn restarts(&self) -> usize {
        self.replicas.iter().map(Replica::restarts).sum()
    }

    pub(crate) fn replicas(&self) -> Arc<Vec<Replica>> {
        Arc::clone(&self.replicas)
    }

    pub(crate) fn peer_addresses(&self) -> Vec<String> {
        self.replicas
            .iter()
            .map(|replica| replica.ports.peer_address())
            .collect()
    }

    /// The longest time for which none led while something was done.
    pub(crate) async fn longest_gap(&self, work: impl Future<Output = ()>) -> Duration {
        let (mut longest, mut led) = (Duration::ZERO, Instant::now());
        let mut work = pin!(work);
        loop {
            if self.leader().await.is_some() {
                longest = longest.max(led.elapsed());
                led = Instant::now();
            }
            if timeout(GLANCE, &mut work).await.is_ok() {
                return longest;
            }
        }
    }

    /// Puts one of another maker in the place of a replica, and waits until that is ready.
    pub(crate) async fn replace(&self, replica: usize, maker: Maker) {
        let replicas = self.replicas();
        let replaced = spawn_blocking(move || replicas[replica].replace(replica, maker, &replicas));
        replaced.await.unwrap();
        let port = self.replicas[replica].ports.health;
        let ready = async {
            while http::get(port, "/healthz").await.is_err() {
                sleep(PROMPT).await;
            }
        };
        let ready = timeout(FAIL_OVER * 3, ready).await;
        ready.unwrap_or_else(|_| panic!("replica {replica} of {maker:?} is not ready"));
    }

    /// Where sidecars go, replica by replica.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.replicas.iter().map(Replica::address).collect()
    }

    pub(crate) async fn kill(&self, replica: usize) -> Duration {
        self.end(replica, Signal::KILL).await
    }

    pub(crate) async fn stop(&self, replica: usize) -> Duration {
        self.end(replica, Signal::TERM).await
    }

    async fn end(&self, replica: usize, signal: Signal) -> Duration {
        let gone = self.life(replica);
        self.signal(replica, signal);
        self.led_by_another_within(FAIL_OVER, Some(gone)).await
    }

    /// Freezes a replica; returns when it goes on. Another one must lead meanwhile.
    pub(crate) async fn freeze(&self, replica: usize, time: Duration) -> Duration {
        let (frozen, since) = (self.life(replica), Instant::now());
        self.signal(replica, Signal::STOP);
        let led = self.led_by_another_within(FAIL_OVER, Some(frozen)).await;
        sleep(time.saturating_sub(since.elapsed())).await;
        self.signal(replica, Signal::CONT);
        led
    }

    fn signal(&self, replica: usize, signal: Signal) {
        let pid = Pid::from_child(&self.replicas[replica].running.lock().child);
        kill_process(pid, signal).unwrap();
    }

    /// The replica whose state endpoint shows a state.
    pub(crate) async fn leader(&self) -> Option<usize> {
        for (index, replica) in self.replicas.iter().enumerate() {
            let shown = http::get(replica.ports.health, "/placement/state");
            let shown = timeout(PROMPT, shown).await;
            if matches!(shown, Ok(Ok(state)) if state.trim() != "null") {
                return Some(index);
            }
        }
        None
    }

    pub(crate) async fn led_within(&self, time: Duration) {
        self.led_by_another_within(time, None).await;
    }

    /// Waits for a leader other than the one in this life; says how long.
    async fn led_by_another_within(&self, time: Duration, gone: Option<Life>) -> Duration {
        let since = Instant::now();
        let led = async {
            loop {
                let leader = self.leader().await.map(|leader| self.life(leader));
                if leader.is_some() && leader != gone {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(time, led).await.expect("a leader in time");
        since.elapsed()
    }

    pub(crate) fn life(&self, replica: usize) -> Life {
        (replica, self.replicas[replica].restarts())
    }
}

impl Replica {
    /// Where sidecars go.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.ports.host, self.ports.api)
    }

    fn replace(&self, index: usize, maker: Maker, all: &[Self]) {
        let ports: Vec<_> = all.iter().map(|replica| replica.ports).collect();
        let mut running = self.running.lock();
        kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
        running.child.wait().unwrap();
        std::thread::sleep(REPLACED);
        self.restarts.fetch_add(1, Ordering::Relaxed);
        *running = Running::start(maker, index, &ports);
    }

    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        for replica in self.replicas.iter() {
            let child = &mut replica.running.lock().child;
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ports {
    fn free(index: u8, api: u16) -> Self {
        let [peer, health, metrics] = free_ports().unwrap();
        Self {
            host: Ipv4Addr::new(127, 0, 0, index),
            api,
            peer,
            health,
            metrics,
        }
    }

    fn peer_address(&self) -> String {
        format!("{}:{}", self.host, self.peer)
    }
}

impl Running {
    fn start(maker: Maker, index: usize, ports: &[Ports]) -> Self {
        let peers = ports.iter().map(Ports::peer_address).enumerate();
        let peers: Vec<_> = peers
            .map(|(id, address)| format!("p{id}={address}"))
            .collect();
        let own = ports[index];
        let mut command = Command::new(maker.program());
        command
            .arg(format!("--id=p{index}"))
            .arg(format!("--initial-cluster={}", peers.join(",")))
            .arg(format!("--port={}", own.api))
            .arg(format!("--listen-address={}", own.host))
            .arg(format!("--healthz-port={}", own.health))
            .arg(format!("--metrics-port={}", own.metrics))
            .arg("--healthz-listen-address=127.0.0.1")
            .args(["--metadata-enabled=true", "--log-level=warn"])
            .stdout(Stdio::null());
        let child = command.spawn().unwrap();
        Self { maker, child }
    }
}

impl Maker {
    fn program(self) -> PathBuf {
        match self {
            Self::Ours => program("placement"),
            Self::Dapr => tool(Group::Originals, "original/placement"),
        }
    }
}

/// A program of others, made before the tests or now.
pub(crate) fn tool(group: Group, name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace = workspace.canonicalize().unwrap();
    let tools = Tools::ensure(&workspace, &[group], Progress);
    tools.unwrap().path(name)
}

/// A program of the workspace, built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(|folder| folder.parent());
    let program = program.map(|folder| folder.join(name)).unwrap();
    assert!(
        program.exists(),
        "{name} is missing: `cargo build --release -p {name}`"
    );
    program
}

/// Sends bytes and hangs up.
pub(crate) async fn throw(address: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
}
