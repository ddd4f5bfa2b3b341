//! What the operator decides, without doing it: which sidecar learns of which resource, what a
//! secret reference becomes, and which Services must exist.
//!
//! ```text
//! watch -> Index -> Change -> Pending (one for each stream) -> view(app ID) -> update
//!            |
//!            +-> list(namespace) ------------------------------> answer
//!
//! resource, secrets, app IDs -> Facts -> Report (conditions, Events)
//!
//! workloads, Services -> Cluster -> Action (apply, delete, leave)
//! ```

pub mod assignment;
pub mod caller;
pub mod conversion;
pub mod definitions;
pub mod index;
pub mod kind;
pub mod pending;
pub mod resource;
pub mod secrets;
pub mod service;
pub mod shared;
pub mod status;
pub mod validation;
pub mod watchdog;

#[cfg(test)]
mod fixtures;
