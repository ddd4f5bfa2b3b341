//! The way to the Kubernetes API: client, watch, leader lease.

mod client;
pub mod lease;
mod watch;

pub use client::{ClientError, client};
pub use watch::{Event, watch};
