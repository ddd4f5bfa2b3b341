//! From flags to an exit code: start, supervise, drain.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::Router;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::UnboundedReceiver,
};
use tokio_util::sync::CancellationToken;

use crate::{
    BoxError, Flags, Health, Target,
    log::{self, chain},
    metrics::Metrics,
    tasks::{Ended, Tasks},
};

/// How long a drain may take. Kubernetes kills a pod 30 s after it asked it to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// More workers than this cost memory that a control plane has no use for.
const MOST_WORKERS: usize = 4;

/// What [`run`] needs to know of a service.
#[derive(Debug)]
pub struct Service {
    /// The name in logs, such as `sentry`.
    pub name: &'static str,
    /// Logs, health and metrics.
    pub flags: Flags,
    /// What the health port serves besides `/healthz`.
    pub routes: Router,
}

/// A running process, as its tasks see it. Clones are the same process.
#[derive(Clone, Debug)]
pub struct Process {
    health: Health,
    metrics: Metrics,
    tasks: Tasks,
    stopping: CancellationToken,
}

/// Runs a service until a signal or a failure, and says how it ended.
///
/// 0: asked to stop by SIGINT or SIGTERM. 1: the start or any task failed or ended unasked, or a
/// second signal cut the drain short. (2, a wrong flag, is decided before.)
pub fn run<F, Fut, E>(service: Service, start: F) -> ExitCode
where
    F: FnOnce(Process) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    if let Err(error) = log::init(&service.flags) {
        eprintln!("{}: {}", service.name, chain(&error));
        return ExitCode::FAILURE;
    }
    match runtime().map_err(BoxError::from).and_then(|runtime| {
        let result = runtime.block_on(supervise(service, start));
        // Whatever outlived its drain is not waited for a second time.
        runtime.shutdown_background();
        result
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(fatal = true, "{}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_WORKERS))
        .enable_all()
        .build()
}

async fn supervise<F, Fut, E>(service: Service, start: F) -> Result<(), BoxError>
where
    F: FnOnce(Process) -> Fut,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    let mut signals = Signals::new()?;
    tracing::info!(
        "starting {} version {}",
        service.name,
        env!("CARGO_PKG_VERSION")
    );
    let (tasks, mut ends) = Tasks::new();
    let process = Process::new(tasks);
    // Health and metrics answer until the last task has ended.
    let (doors, mut door_ends) = Tasks::new();
    // Known before the doors open: nobody may find the process healthy before it is started.
    let started = process.health.target(START);
    process
        .open_doors(&service.flags, service.routes, &doors)
        .await?;
    let (starting, stopping) = (start(process.clone()), process.stopping());
    process.tasks.spawn(START, async move {
        tokio::select! {
            () = stopping.cancelled() => Ok(()),
            result = starting => result.map(|()| started.ready()),
        }
    });
    let outcome = tokio::select! {
        () = signals.next() => Ok(()),
        error = unasked_end(&mut ends) => Err(error),
        Some(ended) = door_ends.recv() => Err(failure(ended)),
    };
    process.stopping.cancel();
    process.drain(&mut signals).await?;
    outcome
}

/// The one task that may end: its end says that the service is started.
const START: &str = "start";

async fn unasked_end(ends: &mut UnboundedReceiver<Ended>) -> BoxError {
    loop {
        match ends.recv().await {
            Some(Ended {
                name: START,
                result: Ok(()),
            }) => {}
            Some(ended) => return failure(ended),
            None => return "the supervisor lost its tasks".into(),
        }
    }
}

fn failure(Ended { name, result }: Ended) -> BoxError {
    match result {
        Ok(()) => format!("{name} ended unasked").into(),
        Err(error) => format!("{name} failed: {}", chain(&*error)).into(),
    }
}

// === impl Process ===

impl Process {
    fn new(tasks: Tasks) -> Self {
        let (health, metrics) = (Health::default(), Metrics::new());
        Self {
            health,
            metrics,
            tasks,
            stopping: CancellationToken::new(),
        }
    }

    /// The named conditions behind `/healthz`.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Registers metrics under their full names; a counter's name comes without `_total`.
    pub fn metrics(&self, with: impl FnOnce(&mut Registry)) {
        self.metrics.register(with);
    }

    /// Starts a task whose end, unless [`stopping`](Self::stopping) is cancelled, stops the
    /// process with exit code 1.
    pub fn spawn<E: Into<BoxError>>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.spawn(name, task);
    }

    /// Cancelled when the drain begins; tasks then end by themselves, soon.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    async fn open_doors(
        &self,
        flags: &Flags,
        routes: Router,
        doors: &Tasks,
    ) -> Result<(), BoxError> {
        let (exporter, healthz) = (
            self.health.target("metrics-exporter"),
            self.health.target("healthz-server"),
        );
        if flags.enable_metrics {
            let address = (&*flags.metrics_listen_address, flags.metrics_port);
            open(
                "metrics-exporter",
                address,
                self.metrics.clone().router(),
                doors,
            )
            .await?;
        }
        exporter.ready();
        let address = (&*flags.healthz_listen_address, flags.healthz_port);
        let served = routes.merge(self.health.clone().router());
        open("healthz-server", address, served, doors).await?;
        healthz.ready();
        Ok(())
    }

    async fn drain(&self, signals: &mut Signals) -> Result<(), BoxError> {
        let draining: Target = self.health.target("not-stopping");
        draining.unready();
        tracing::info!("stopping");
        tokio::select! {
            () = self.tasks.ended() => Ok(()),
            () = signals.next() => Err("a second signal cut the drain short".into()),
            () = tokio::time::sleep(DRAIN) => {
                tracing::warn!(tasks = ?self.tasks.running(), "the drain took too long");
                Ok(())
            }
        }
    }
}

async fn open(
    name: &'static str,
    (address, port): (&str, u16),
    router: Router,
    doors: &Tasks,
) -> Result<(), BoxError> {
    let addresses = config::listen::addresses(address, port)?;
    let listener = TcpListener::bind(&*addresses).await;
    let listener =
        listener.map_err(|error| format!("{name} could not listen on {addresses:?}: {error}"))?;
    // Some routes tell more to callers on this machine.
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    doors.spawn(name, async move { axum::serve(listener, router).await });
    Ok(())
}

/// SIGINT and SIGTERM as one.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

// === impl Signals ===

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
