//! The injector: the mutating webhook that gives annotated pods their sidecar.
//!
//! ```text
//! API server ── POST /mutate ──> webhook ── injector-core decides
//!                                  ├─ anchors   the file of trust anchors, followed
//!                                  ├─ namespaces  their annotations, watched
//!                                  ├─ mtls      the Configuration daprsystem, polled
//!                                  ├─ events    reasons, queued for whoever made the pod
//!                                  └─ API       Components, only for pods that ask for them
//! ca_bundle ── PATCH ──> the webhook configuration, at each change and now and then
//! ```
//!
//! A review waits for no peer, except for a pod that asks for the Components of its namespace.

pub mod ca_bundle;
pub mod events;
mod flags;
pub mod kubernetes;
mod metrics;
pub mod mtls;
pub mod namespaces;
pub mod preview;
mod settings;
mod start;
pub mod webhook;

pub use flags::{Command, Flags};
pub use kubernetes::Kubernetes;
pub use metrics::Metrics;
pub use settings::{Settings, SettingsError};
pub use start::{StartError, start};
