//! What the proxy adds to a call: calls at a fixed rate over loopback, to an app directly and through
//! a forwarder or a guard in a process of its own. Dapr has nothing to compare it with.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use cluster::free_ports;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::usage;

type Caller = Client<HttpConnector, Full<Bytes>>;

/// As much as a small event.
const BODY: &[u8] = &[b'x'; 256];
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Calls per second.
const RATE: u32 = 1_000;
/// Calls before any is measured.
const WARM: usize = 200;
/// How often everything is measured in turn; the best median of each counts, since whatever else the
/// machine does can only add to it.
const ROUNDS: usize = 3;

/// What a way to the app is made of.
struct Way {
    name: &'static str,
    to: SocketAddr,
}

/// Measures all ways in turn, for so long each, and prints a table.
pub(crate) async fn run(workspace: &Path, seconds: u64) -> Result<()> {
    let app = TcpListener::bind("127.0.0.1:0").await?;
    let at = app.local_addr()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(app));
    let proxy = Proxy::start(&workspace.join("target/release/proxy"), at).await?;
    println!("at rest: {} KiB resident", proxy.resident()?);
    let ways = [
        ("direct", at),
        ("forwarder", proxy.forwarder),
        ("guard", proxy.guard),
    ];
    let ways = ways.map(|(name, to)| Way { name, to });
    println!(
        "{:<22}{:>9}{:>9}{:>9}{:>9}  microseconds",
        "", "median", "p90", "p99", "added"
    );
    for (http2, version) in [(false, "HTTP/1.1"), (true, "HTTP/2")] {
        let mut direct = None;
        for way in &ways {
            let [median, p90, p99] = best(way, http2, seconds).await?;
            let direct = *direct.get_or_insert(median);
            let name = format!("{version} {}", way.name);
            println!(
                "{name:<22}{median:>9}{p90:>9}{p99:>9}{:>9}",
                median.saturating_sub(direct)
            );
        }
    }
    println!("after that: {} KiB resident", proxy.resident()?);
    Ok(())
}

/// Median and tails of the round with the best median, in microseconds.
async fn best(way: &Way, http2: bool, seconds: u64) -> Result<[u128; 3]> {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut taken = measure(way.to, http2, seconds).await?;
        taken.sort_unstable();
        let at = |percent: usize| {
            taken
                .get(taken.len() * percent / 100)
                .map_or(0, Duration::as_micros)
        };
        rounds.push([at(50), at(90), at(99)]);
    }
    rounds.into_iter().min().context("no round was measured")
}

/// Calls at the rate whatever they take; how long each took.
async fn measure(to: SocketAddr, http2: bool, seconds: u64) -> Result<Vec<Duration>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build(connector);
    for _ in 0..WARM {
        call(client.clone(), to).await?;
    }
    let (mut ticks, mut calls) = (interval(Duration::from_secs(1) / RATE), JoinSet::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..u64::from(RATE) * seconds {
        ticks.tick().await;
        calls.spawn(call(client.clone(), to));
    }
    calls.join_all().await.into_iter().collect()
}

async fn call(client: Caller, to: SocketAddr) -> Result<Duration> {
    let request = Request::post(format!("http://{to}/event")).body(Full::from(BODY))?;
    let begun = Instant::now();
    let answer = client.request(request).await?;
    answer.into_body().collect().await?;
    Ok(begun.elapsed())
}

/// An app that answers at once.
async fn serve(listener: TcpListener) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let served = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
            served.await.map_err(|error| eprintln!("{error}"))
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::from("{}")))
}

/// The proxy's process, ended with this value.
struct Proxy {
    child: Child,
    forwarder: SocketAddr,
    guard: SocketAddr,
}

// === impl Proxy ===

impl Proxy {
    async fn start(program: &Path, app: SocketAddr) -> Result<Self> {
        let [forwarder, guard, health, metrics] = free_ports()?;
        let port = |name: &str, port: u16| format!("--{name}={port}");
        let child = Command::new(program)
            .arg(format!("--app-address={app}"))
            .args([port("forwarder-port", forwarder), port("http-port", guard)])
            .args([
                port("daprd-http-port", app.port()),
                port("healthz-port", health),
            ])
            .args([port("metrics-port", metrics), "--grpc-port=0".into()])
            .args(["--log-level=warn", "--guard-listen-address=127.0.0.1"])
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let proxy = Self {
            child,
            forwarder: SocketAddr::from((LOCAL, forwarder)),
            guard: SocketAddr::from((LOCAL, guard)),
        };
        while TcpStream::connect(proxy.guard).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_secs(1)).await;
        Ok(proxy)
    }

    fn resident(&self) -> Result<u64> {
        Ok(usage::memory(self.child.id())?.resident)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
