//! Three replicas, each started again when it ends, as a kubelet would.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::free_ports;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{FAIL_OVER, http};

#[derive(Clone, Copy)]
struct Ports {
    api: u16,
    peer: u16,
    health: u16,
    metrics: u16,
}

/// A replica, and how often it had been started again. A leader serves in one life only.
pub(crate) type Life = (usize, usize);

pub(crate) struct Replica {
    ports: Ports,
    child: Mutex<Child>,
    restarts: AtomicUsize,
}

pub(crate) struct Replicas {
    replicas: Arc<Vec<Replica>>,
    over: Arc<AtomicBool>,
}

/// Within what a replica answers, unless it is dead or frozen.
const PROMPT: Duration = Duration::from_millis(300);
const RESTART: Duration = Duration::from_millis(300);

impl Replicas {
    pub(crate) fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let replicas = (0..3).map(|index| Replica {
            ports: ports[index],
            child: Mutex::new(spawn(index, &ports)),
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
                    let mut child = replica.child.lock();
                    if !over.load(Ordering::Acquire) && child.try_wait().unwrap().is_some() {
                        replica.restarts.fetch_add(1, Ordering::Relaxed);
                        *child = spawn(index, &ports);
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
            .map(|replica| format!("127.0.0.1:{}", replica.ports.peer))
            .collect()
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
        let pid = Pid::from_child(&self.replicas[replica].child.lock());
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
        format!("127.0.0.1:{}", self.ports.api)
    }

    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        for replica in self.replicas.iter() {
            let mut child = replica.child.lock();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ports {
    fn free() -> Self {
        let [api, peer, health, metrics] = free_ports().unwrap();
        Self {
            api,
            peer,
            health,
            metrics,
        }
    }
}

fn spawn(index: usize, ports: &[Ports]) -> Child {
    let peers: Vec<_> = ports
        .iter()
        .enumerate()
        .map(|(id, ports)| format!("p{id}=127.0.0.1:{}", ports.peer))
        .collect();
    let own = ports[index];
    Command::new(program("placement"))
        .arg(format!("--id=p{index}"))
        .arg(format!("--initial-cluster={}", peers.join(",")))
        .arg(format!("--port={}", own.api))
        .arg(format!("--healthz-port={}", own.health))
        .arg(format!("--metrics-port={}", own.metrics))
        .args([
            "--listen-address=127.0.0.1",
            "--healthz-listen-address=127.0.0.1",
        ])
        .args(["--metadata-enabled=true", "--log-level=warn"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
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
