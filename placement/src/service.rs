//! The whole process: what is started, and in which order.

use std::{convert::Infallible, time::Duration};

use placement_core::{Peers, PeersError};
use process::{Process, Service, Target};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    departures::Departures,
    leadership::{Leadership, LeadershipError},
    mandate::Mandate,
    metrics::Gauges,
    namespaces::{Config, Namespaces, Supervisor, stopped_by_signal},
    options::{InvalidFlag, Options},
    rpc::Rpc,
    security::{self, SecurityError},
    server::{self, ServerError},
    session::Sessions,
    standing::{Role, Standing},
    state,
    visitor::Stay,
};

/// How long a client may take to say who it is. Sidecars do so in the same instant.
const PATIENCE: Duration = Duration::from_secs(30);

/// Placement before its start.
#[derive(Debug)]
pub struct Placement {
    options: Options,
    gauges: Gauges,
    namespaces: Namespaces,
    supervisor: Supervisor,
    role: watch::Sender<Role>,
    mandate: Mandate,
}

/// Why placement cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A flag is no good.
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    /// There can be no identity.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// The list of replicas is no good.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// This replica cannot take part.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// The server cannot listen.
    #[error(transparent)]
    Server(#[from] ServerError),
}

// === impl Placement ===

impl Placement {
    /// Makes what the parts share; opens nothing.
    pub fn new(options: Options) -> Self {
        let (gauges, mandate) = (Gauges::default(), Mandate::none());
        let (namespaces, supervisor) = Namespaces::new(Config {
            settings: options.settings(),
            replication_factor: options.replication_factor,
            gauges: gauges.clone(),
            mandate: mandate.clone(),
        });
        let role = watch::Sender::new(Role::Candidate);
        Self {
            options,
            gauges,
            namespaces,
            supervisor,
            role,
            mandate,
        }
    }

    /// What the process shell has to know.
    pub fn service(&self) -> Service {
        let routes = if self.options.metadata_enabled() {
            let token = self.options.metadata_token_file.clone();
            state::routes(self.role.subscribe(), self.namespaces.clone(), token)
        } else {
            axum::Router::new()
        };
        Service {
            name: "placement",
            flags: self.options.process(),
            routes,
        }
    }

    /// Starts everything; returns early if asked to stop before there was an identity.
    ///
    /// # Errors
    /// If a flag is no good or a port cannot be had.
    pub async fn start(self, process: Process) -> Result<(), StartError> {
        let Self {
            options,
            gauges,
            namespaces,
            supervisor,
            role,
            mandate,
        } = self;
        // All at once: health must not be good in a gap between two of them.
        let [secure, elected, serving] = [
            "security-provider",
            "placement-raft-leadership",
            "placement-grpc-server",
        ]
        .map(|name| process.health().target(name));
        process.metrics(|registry| gauges.register(registry));
        let keepalive = options.keepalive()?;
        let peers = options.initial_cluster.iter().map(String::as_str);
        let peers = Peers::parse(&options.id, peers)?;
        let stopping = process.stopping();
        let security = security::start(&process, &options)?;
        let Some(tls) = stopping.run_until_cancelled(security.ready()).await else {
            return Ok(());
        };
        let tls = tls?;
        secure.ready();

        let leadership = Leadership::new(peers, options.port, tls.clone())?;
        let sessions = Sessions {
            id: options.id.as_str().into(),
            role: role.subscribe(),
            namespaces: namespaces.clone(),
            patience: PATIENCE,
        };
        let rpc = Rpc::new(sessions, tls.is_some());
        let tls = tls.map(|tls| tls.server);
        let listener = server::listen(&options.listen_address, options.port, tls).await?;
        serving.ready();
        process.spawn("namespaces", supervisor.run(stopping.clone()));
        process.spawn(
            "streams' end",
            end_streams(namespaces.clone(), stopping.clone()),
        );
        process.spawn(
            "role",
            announce(role.subscribe(), gauges, elected, stopping.clone()),
        );
        if let Some(departures) = Departures::wanted(&options) {
            let following =
                departures.follow(role.subscribe(), namespaces.clone(), stopping.clone());
            process.spawn("departures", following);
        }
        let standing = Standing {
            role,
            mandate,
            namespaces,
        };
        process.spawn("leadership", leadership.run(standing, stopping.clone()));
        process.spawn(
            "server",
            server::serve(
                listener.incoming(),
                rpc,
                keepalive,
                Stay::default(),
                stopping,
            ),
        );
        Ok(())
    }
}

/// Sidecars must look for another replica at once, not when the connections have drained.
async fn end_streams(
    namespaces: Namespaces,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    stopping.cancelled().await;
    namespaces.stop(&stopped_by_signal());
    Ok(())
}

/// Shows the role to those outside. A replica that knows no leader is not ready; leadership is
/// only ever lost with the process.
async fn announce(
    mut role: watch::Receiver<Role>,
    gauges: Gauges,
    elected: Target,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        match *role.borrow_and_update() {
            Role::Candidate => elected.unready(),
            Role::Follower => elected.ready(),
            Role::Leader => {
                gauges.lead();
                elected.ready();
            }
        }
        if !matches!(
            stopping.run_until_cancelled(role.changed()).await,
            Some(Ok(()))
        ) {
            break;
        }
    }
    stopping.cancelled().await;
    Ok(())
}
