//! From flags to running tasks.

use std::{convert::Infallible, env, io, net::SocketAddr, process::ExitCode, sync::Arc};

use axum::{Json, Router, routing::get};
use config::listen::{ListenAddressError, addresses};
use kube::Api;
use process::{Process, Service, kubernetes::client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    Flags, endpoints, exclusive,
    forwarder::Forwarder,
    guard::{Guard, OwnToken},
    metrics::Metrics,
    server::Ends,
    settings::positive,
    tls::{Certificate, CertificateError},
};

/// Connections that may wait to be let in; the kernel allows no more by default.
const BACKLOG: u32 = 4_096;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address is none.
    #[error(transparent)]
    Address(#[from] ListenAddressError),
    /// A port is taken.
    #[error("the {port} port could not be opened at {addresses:?}")]
    Listen {
        /// What it is for.
        port: &'static str,
        /// The addresses that were tried.
        addresses: Vec<SocketAddr>,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no way to the `EndpointSlice`s.
    #[error("the pods of the app's Service can't be followed")]
    Kubernetes(#[from] process::kubernetes::ClientError),
    /// The guard has no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The signal of the preStop hook can't be heard.
    #[error("the signal to drain can't be listened to")]
    Signal(#[source] io::Error),
}

/// The parts, not yet running.
#[derive(Debug)]
pub struct Proxy {
    flags: Flags,
    metrics: Metrics,
    forwarder: Arc<Forwarder>,
    draining: CancellationToken,
}

/// Has the proxy with this process id send its clients elsewhere: what a preStop hook runs. It
/// is a signal, so that nothing else in the pod's network can do the same.
pub fn ask_to_drain(process: i32) -> ExitCode {
    let asked = Pid::from_raw(process).map(|pid| kill_process(pid, Signal::USR1));
    match asked {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("process {process} could not be asked to drain: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{process} is not the id of a process");
            ExitCode::FAILURE
        }
    }
}

// === impl Proxy ===

impl Proxy {
    /// Makes the parts.
    pub fn new(flags: Flags) -> Self {
        let metrics = Metrics::default();
        Self {
            forwarder: Forwarder::new(flags.app.settings(&metrics), metrics.clone()),
            draining: CancellationToken::new(),
            metrics,
            flags,
        }
    }

    /// What `process` runs. Beside `/healthz`, `/scale` has the figures to scale the app by, for
    /// autoscalers that read JSON.
    pub fn service(&self) -> Service {
        let forwarder = self.forwarder.clone();
        let scale = async move || {
            let counts = forwarder.counts();
            Json(json!({ "pending": forwarder.pending(), "ready": counts.ready }))
        };
        Service {
            name: "proxy",
            flags: self.flags.process.clone(),
            routes: Router::new().route("/scale", get(scale)),
        }
    }

    /// Starts what the flags ask for.
    ///
    /// # Errors
    /// If a port, a file or the Kubernetes API can't be used.
    pub async fn start(self, process: Process) -> Result<(), StartError> {
        process.metrics(|registry| self.metrics.register(registry));
        self.hear_drain(&process)?;
        if self.flags.app.is_wanted() {
            self.start_forwarder(&process).await?;
        }
        self.start_guard(&process).await
    }

    async fn start_forwarder(&self, process: &Process) -> Result<(), StartError> {
        let app = &self.flags.app;
        let address = &app.forwarder_listen_address;
        let listener = listen("forwarder", address, app.forwarder_port)?;
        let (stopping, deadline) = (process.stopping(), positive(self.flags.drain_timeout));
        let ends = Ends::only(stopping.clone(), deadline);
        let serving = self.forwarder.clone().serve(listener, ends);
        spawn(process, "forwarder", serving);
        let checking = self.forwarder.clone().check(stopping.clone());
        spawn(process, "app-health", checking);
        let comparing = self.forwarder.clone().compare(stopping);
        spawn(process, "app-answers", comparing);
        self.follow_app(process).await?;
        self.follow_lease(process).await
    }

    async fn follow_lease(&self, process: &Process) -> Result<(), StartError> {
        let app = &self.flags.app;
        let (Some(name), Some(exclusive)) = (&app.lease, self.forwarder.exclusive()) else {
            return Ok(());
        };
        let client = client(app.kubeconfig.as_deref()).await?;
        let following = exclusive::follow(
            exclusive.clone(),
            Api::namespaced(client, &app.namespace),
            name.clone(),
            self.draining.clone(),
            process.stopping(),
        );
        spawn(process, "lease", following);
        Ok(())
    }

    async fn follow_app(&self, process: &Process) -> Result<(), StartError> {
        let (app, forwarder) = (&self.flags.app, self.forwarder.clone());
        let stopping = process.stopping();
        if let Some(service) = app.app_service.clone() {
            let client = client(app.kubeconfig.as_deref()).await?;
            let namespace = app.namespace.clone();
            let following = endpoints::follow_service(
                forwarder,
                client,
                namespace,
                service,
                app.port(),
                stopping,
            );
            spawn(process, "endpoints", following);
        } else if let Some(host) = app.app_address.clone() {
            let pause = positive(app.app_resolve_interval);
            let following = endpoints::follow_host(forwarder, host, pause, stopping);
            spawn(process, "endpoints", following);
        }
        Ok(())
    }

    async fn start_guard(&self, process: &Process) -> Result<(), StartError> {
        let flags = &self.flags.guard;
        let settings = flags.settings(&self.forwarder);
        if let Some(tokens) = settings.tokens.clone() {
            tokens.read().await;
            spawn(process, "api-tokens", tokens.follow(process.stopping()));
        }
        self.follow_own_token(&settings.own, process).await;
        let tls = self.tls(process).await?;
        let connect = positive(self.flags.app.connect_timeout);
        let guard = Guard::new(settings, connect, self.metrics.clone());
        let doors = [
            ("http-guard", flags.http_port, flags.daprd_http_port),
            ("grpc-guard", flags.grpc_port, flags.daprd_grpc_port),
        ];
        for (name, port, daprd) in doors.into_iter().filter(|(_, port, _)| *port != 0) {
            let listener = listen(name, &flags.guard_listen_address, port)?;
            let to = SocketAddr::new(flags.daprd_address, daprd);
            let serving = guard
                .clone()
                .serve(listener, tls.clone(), to, self.ends(process));
            spawn(process, name, serving);
        }
        Ok(())
    }

    async fn follow_own_token(&self, own: &OwnToken, process: &Process) {
        match self.flags.guard.daprd_api_token_file.clone() {
            Some(path) => {
                own.read(path.clone()).await;
                let following = own.clone().follow(path, process.stopping());
                spawn(process, "daprd-token", following);
            }
            None => own.set(&env::var("DAPR_API_TOKEN").unwrap_or_default()),
        }
    }

    async fn tls(&self, process: &Process) -> Result<Option<TlsAcceptor>, CertificateError> {
        let flags = &self.flags.guard;
        let (Some(chain), Some(key)) = (flags.tls_cert_file.clone(), flags.tls_key_file.clone())
        else {
            return Ok(None);
        };
        let certificate = Certificate::read(chain, key).await?;
        let acceptor = certificate.acceptor();
        spawn(
            process,
            "certificate",
            certificate.follow(process.stopping()),
        );
        Ok(Some(acceptor))
    }

    fn ends(&self, process: &Process) -> Ends {
        Ends {
            draining: self.draining.clone(),
            stopping: process.stopping(),
            deadline: positive(self.flags.drain_timeout),
            longest_age: positive(self.flags.guard.max_connection_age),
        }
    }

    /// The first step of a stop, while daprd still works: readiness off, clients sent elsewhere.
    fn hear_drain(&self, process: &Process) -> Result<(), StartError> {
        let mut asked = signal(SignalKind::user_defined1()).map_err(StartError::Signal)?;
        let (draining, stopping) = (self.draining.clone(), process.stopping());
        let ready = process.health().target("not-draining");
        ready.ready();
        spawn(process, "drain", async move {
            if stopping.run_until_cancelled(asked.recv()).await.is_some() {
                tracing::info!("draining: clients are sent elsewhere");
                ready.unready();
                draining.cancel();
                stopping.cancelled().await;
            }
        });
        Ok(())
    }
}

fn spawn(process: &Process, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    process.spawn(name, async move {
        task.await;
        Ok::<(), Infallible>(())
    });
}

/// The first of the addresses that can be had.
fn listen(name: &'static str, address: &str, port: u16) -> Result<TcpListener, StartError> {
    let addresses = addresses(address, port)?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in &addresses {
        match bind(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(StartError::Listen {
        port: name,
        addresses,
        source: last,
    })
}

/// The library's own `bind` has room for 128 connections that wait to be let in: a client that
/// opens thousands at once would fill it, and others would find the port deaf for a second.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
