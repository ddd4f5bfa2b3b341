//! Placement: maps actor types to the sidecars that host them.
//!
//! ```text
//!  sidecar ── HTTP/2 ── [rpc] ── [exchange] ── [session] ──► [namespaces] ──► [namespace]
//!     ▲                              │           reads,        finds the        a task with
//!     └──────── frames ──────────────┘           authorises    namespace        the core's state
//!                  ▲                                                                │
//!                  └────────────────────── [line]: an outbox for each stream ◄──────┘
//! ```
//!
//! A namespace's task writes into outboxes and never waits for a stream, so a sidecar that does
//! not read holds up nobody. What is decided, and when, is in `placement-core`.

mod departures;
mod exchange;
mod leadership;
mod line;
mod mandate;
mod metrics;
mod namespace;
mod namespaces;
mod options;
mod own_address;
mod replicas;
mod rpc;
mod security;
mod server;
mod service;
mod session;
mod standing;
mod state;
mod visitor;
mod wire;

pub use leadership::LeadershipError;
pub use mandate::Mandate;
pub use metrics::Gauges;
pub use namespaces::{Config, Namespaces, Supervisor};
pub use options::{InvalidFlag, Keepalive, Mode, Options, Retired};
pub use own_address::OwnAddressError;
pub use replicas::ReplicasError;
pub use rpc::Rpc;
pub use security::SecurityError;
pub use server::{ServerError, serve};
pub use service::{Placement, StartError};
pub use session::Sessions;
pub use standing::Role;
pub use state::routes;
pub use visitor::{Stay, Visitor};
