//! The operator: what sidecars read from Kubernetes, and the Services in front of them.
//!
//! ```text
//! API server -> follow (a watch for each kind) -> Store -> api (gRPC over mTLS) -> sidecars
//!            -> services (leader only): workloads and Services -> apply, delete
//!            -> status (leader only): conditions and Events about resources
//!            -> watchdog (leader only): pods that asked for a sidecar and have none
//!            -> definitions (leader only): the kinds of resources, as of this release
//!            <- webhook: conversion of Subscriptions, validation, and the certificate bundle for them
//! ```

pub mod api;
mod assignment;
pub mod convert;
mod definitions;
#[cfg(test)]
mod fixtures;
mod flags;
mod follow;
mod metrics;
mod object;
mod secrets;
mod services;
mod shared;
mod sidecar_settings;
mod start;
pub mod status;
pub mod store;
mod system;
mod turns;
mod watchdog;
mod webhook;

pub use assignment::Assignments;
pub use flags::{Command, Flags};
pub use secrets::{ReadSecrets, SecretError, Secrets};
pub use start::{StartError, start};
