//! A forwarder or a guard on a free port.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use proxy::{
    exclusive::Exclusive,
    forwarder::{Checks, Forwarder, Settings},
    guard::{self, Guard, OwnToken},
    metrics::Metrics,
    server::Ends,
};
use proxy_core::{endpoint::Endpoint, limits, patience::Bounds, pool::Locality};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a test says; the rest is as in production or shorter.
pub(crate) struct Told {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) node: &'static str,
    pub(crate) hold: Duration,
    pub(crate) held: usize,
    pub(crate) checks: Option<Checks>,
    pub(crate) exclusive: Option<Arc<Exclusive>>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            node: "",
            hold: DEADLINE,
            held: 100,
            checks: None,
            exclusive: None,
        }
    }
}

/// A forwarder that serves.
pub(crate) struct Forwarding {
    pub(crate) forwarder: Arc<Forwarder>,
    pub(crate) address: SocketAddr,
    pub(crate) stopping: CancellationToken,
}

pub(crate) fn bare(addresses: &[SocketAddr]) -> Vec<Endpoint> {
    addresses.iter().copied().map(Endpoint::bare).collect()
}

/// A forwarder before these endpoints.
pub(crate) async fn before(addresses: &[SocketAddr]) -> Forwarding {
    let endpoints = bare(addresses);
    forwarding(Told {
        endpoints,
        ..Told::default()
    })
    .await
}

pub(crate) async fn forwarding(told: Told) -> Forwarding {
    let settings = Settings {
        locality: Locality {
            node: (!told.node.is_empty()).then(|| told.node.into()),
            zone: None,
            spill: 8,
        },
        holding: Bounds {
            calls: told.held,
            call: told.hold,
            once: DEADLINE,
        },
        connect: Duration::from_secs(1),
        checks: told.checks,
        exclusive: told.exclusive,
    };
    let forwarder = Forwarder::new(settings, Metrics::default());
    forwarder.set_endpoints(told.endpoints);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stopping) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ends = Ends::only(stopping.clone(), DEADLINE);
    tokio::spawn(forwarder.clone().serve(listener, ends));
    tokio::spawn(forwarder.clone().check(stopping.clone()));
    tokio::spawn(forwarder.clone().compare(stopping.clone()));
    Forwarding {
        forwarder,
        address,
        stopping,
    }
}

/// What a guard is told: nothing is checked, and nobody uses more than this.
pub(crate) fn open_guard() -> guard::Settings {
    guard::Settings {
        bounds: limits::Bounds {
            connections: 100,
            requests: 100,
        },
        sources: Vec::new(),
        app: None,
        tokens: None,
        own: OwnToken::default(),
    }
}

/// Connections that live for ever.
pub(crate) fn no_end() -> Ends {
    Ends::only(CancellationToken::new(), DEADLINE)
}

/// A guard before daprd, which is at `to`.
pub(crate) async fn guarding(settings: guard::Settings, to: SocketAddr, ends: Ends) -> SocketAddr {
    guarding_with(settings, to, ends, None).await
}

pub(crate) async fn guarding_with(
    settings: guard::Settings,
    to: SocketAddr,
    ends: Ends,
    tls: Option<TlsAcceptor>,
) -> SocketAddr {
    let guard = Guard::new(settings, Duration::from_secs(1), Metrics::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(guard.serve(listener, tls, to, ends));
    address
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < DEADLINE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
