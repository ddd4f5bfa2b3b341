//! What the proxy adds to a call: medians and tails of calls at a fixed rate over loopback, to an
//! app directly and through a forwarder or a guard in a process of its own.
//!
//! ```text
//! cargo run --release -p proxy --example latency -- target/release/proxy [calls per second] [seconds]
//! ```

use std::{
    convert::Infallible,
    error::Error,
    net::{SocketAddr, TcpListener as Port},
    process::{Child, Command},
    time::{Duration, Instant},
};

use bytes::Bytes;
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

type Failure = Box<dyn Error + Send + Sync>;
type Caller = Client<HttpConnector, Full<Bytes>>;

/// As much as a small event.
const BODY: &[u8] = &[b'x'; 256];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let program = args.next().ok_or("the proxy's program is needed")?;
    let rate: u32 = args.next().map_or(Ok(1_000), |rate| rate.parse())?;
    let seconds: u32 = args.next().map_or(Ok(10), |seconds| seconds.parse())?;
    let mut tasks = JoinSet::new();
    let app = TcpListener::bind("127.0.0.1:0").await?;
    let at = app.local_addr()?;
    tasks.spawn(serve(app));
    let proxy = Proxy::start(&program, at).await?;
    println!("at rest: {} KiB resident", proxy.resident()?);
    println!(
        "{:<22}{:>9}{:>9}{:>9}  microseconds",
        "", "median", "p90", "p99"
    );
    for (http2, version) in [(false, "HTTP/1.1"), (true, "HTTP/2")] {
        for (name, to) in [
            ("direct", at),
            ("forwarder", proxy.forwarder),
            ("guard", proxy.guard),
        ] {
            let taken = measure(to, http2, rate, seconds).await?;
            print(&format!("{version} {name}"), taken);
        }
    }
    println!("after that: {} KiB resident", proxy.resident()?);
    Ok(())
}

/// Calls at the rate whatever they take; how long each took.
async fn measure(
    to: SocketAddr,
    http2: bool,
    rate: u32,
    seconds: u32,
) -> Result<Vec<Duration>, Failure> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build(connector);
    for _ in 0..200 {
        call(client.clone(), to).await?;
    }
    let (mut ticks, mut calls) = (interval(Duration::from_secs(1) / rate), JoinSet::new());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..rate * seconds {
        ticks.tick().await;
        calls.spawn(call(client.clone(), to));
    }
    calls.join_all().await.into_iter().collect()
}

async fn call(client: Caller, to: SocketAddr) -> Result<Duration, Failure> {
    let request = Request::post(format!("http://{to}/event")).body(Full::from(BODY))?;
    let begun = Instant::now();
    let answer = client.request(request).await?;
    answer.into_body().collect().await?;
    Ok(begun.elapsed())
}

fn print(name: &str, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let at = |percent: usize| {
        taken
            .get(taken.len() * percent / 100)
            .map_or(0, Duration::as_micros)
    };
    println!("{name:<22}{:>9}{:>9}{:>9}", at(50), at(90), at(99));
}

/// An app that answers at once.
async fn serve(listener: TcpListener) -> Result<(), Failure> {
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
    async fn start(program: &str, app: SocketAddr) -> Result<Self, Failure> {
        let [forwarder, guard, health, metrics] = [free()?, free()?, free()?, free()?];
        let port = |name: &str, address: SocketAddr| format!("--{name}={}", address.port());
        let child = Command::new(program)
            .arg(format!("--app-address={app}"))
            .args([port("forwarder-port", forwarder), port("http-port", guard)])
            .args([port("daprd-http-port", app), port("healthz-port", health)])
            .args([port("metrics-port", metrics), "--grpc-port=0".into()])
            .args(["--log-level=warn", "--guard-listen-address=127.0.0.1"])
            .spawn()?;
        let proxy = Self {
            child,
            forwarder,
            guard,
        };
        while TcpStream::connect(guard).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_secs(1)).await;
        Ok(proxy)
    }

    fn resident(&self) -> Result<String, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line
            .ok_or("the process is gone")?
            .replace("kB", "")
            .trim()
            .into())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago.
fn free() -> Result<SocketAddr, Failure> {
    Ok(Port::bind("127.0.0.1:0")?.local_addr()?)
}
