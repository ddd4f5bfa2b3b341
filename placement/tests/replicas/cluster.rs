//! Three replicas, each started again when it ends, as a kubelet would.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

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

pub(crate) struct Cluster {
    replicas: Arc<Vec<Replica>>,
    over: Arc<AtomicBool>,
}

const RESTART: Duration = Duration::from_millis(300);

impl Cluster {
    pub(crate) fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let replicas = (0..3).map(|index| Replica {
            ports: ports[index],
            child: Mutex::new(spawn(index, &ports)),
            restarts: AtomicUsize::new(0),
        });
        let cluster = Self {
            replicas: Arc::new(replicas.collect()),
            over: Arc::default(),
        };
        cluster.watch(ports);
        cluster
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

    pub(crate) fn kill(&self, replica: usize) {
        self.signal(replica, Signal::KILL);
    }

    pub(crate) fn stop(&self, replica: usize) {
        self.signal(replica, Signal::TERM);
    }

    /// Freezes a replica; returns when it goes on. Another one must lead meanwhile.
    pub(crate) async fn freeze(&self, replica: usize, time: Duration) {
        let frozen = self.life(replica);
        self.signal(replica, Signal::STOP);
        let since = Instant::now();
        self.led_by_another_within(super::FAIL_OVER, Some(frozen))
            .await;
        sleep(time.saturating_sub(since.elapsed())).await;
        self.signal(replica, Signal::CONT);
    }

    fn signal(&self, replica: usize, signal: Signal) {
        let pid = Pid::from_child(&self.replicas[replica].child.lock());
        kill_process(pid, signal).unwrap();
    }

    /// The replica whose state endpoint shows a state.
    pub(crate) async fn leader(&self) -> Option<usize> {
        for (index, replica) in self.replicas.iter().enumerate() {
            let shown = get(replica.ports.health, "/placement/state").await;
            if shown.is_some_and(|body| body.trim_end().ends_with('}')) {
                return Some(index);
            }
        }
        None
    }

    pub(crate) async fn led_within(&self, time: Duration) {
        self.led_by_another_within(time, None).await;
    }

    /// Waits for a leader other than the one in this life.
    pub(crate) async fn led_by_another_within(&self, time: Duration, gone: Option<Life>) {
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

impl Drop for Cluster {
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
        let sockets: Vec<_> = (0..4)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<_> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        let [api, peer, health, metrics] = ports[..].try_into().unwrap();
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
    Command::new(env!("CARGO_BIN_EXE_placement"))
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

/// The answer of a replica, unless it is dead or frozen.
async fn get(port: u16, path: &str) -> Option<String> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    timeout(Duration::from_millis(300), ask).await.ok()?
}

/// Sends bytes and hangs up.
pub(crate) async fn throw(address: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
}
