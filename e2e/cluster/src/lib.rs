//! A real Kubernetes on this machine: API server, kubelets and pods, without a container engine.
//!
//! The parts are built from pinned Go modules and taken from Debian packages, run as plain
//! processes that outlive their starter, and are ended by record, never by name.

mod api_server;
mod cgroups;
mod cluster;
mod command;
mod containers;
mod control_plane;
mod daemons;
mod debian;
mod dns;
mod elf;
pub mod images;
mod kubectl;
mod module;
mod needs;
mod network;
mod node;
mod paths;
mod pki;
mod ports;
mod progress;
mod shims;
mod sweep;
mod tools;
mod wait;

pub use api_server::ApiServer;
pub use cluster::{Cluster, Status};
pub use command::output;
pub use images::Image;
pub use module::DaprModule;
pub use ports::free_ports;
pub use progress::Progress;
pub use tools::{Group, Tools};
pub use wait::until;
