//! What the injector decides, without doing it.
//!
//! ```text
//! review bytes ─ Review ─ triage(request, callers, cluster, defaults of the namespace)
//!                           ├─ Skip    allowed as it is
//!                           ├─ Deny    refused, with the reason and the remedy
//!                           ├─ Inject  Candidate::inject(cluster, facts, components) ─ Injection
//!                           └─ Bind    Binding::bind(cluster) ─ Injection
//! ```
//!
//! A pod is read through a view of the few fields that matter (`pod`) and changed by explicit
//! patch operations (`patch`), so fields that are newer than this program survive untouched.
//! Whatever must be looked up (trust anchors, the cluster's Configuration, Components) comes in
//! as [`Facts`] and arguments.

mod app;
mod app_id;
mod callers;
mod cluster;
mod components;
mod defaults;
mod domain;
mod enabled;
mod environment;
mod glob;
mod notice;
mod operations;
mod options;
mod patch;
mod pod;
mod quantity;
mod review;
pub mod shared;
mod shutdown;
mod sidecar;
mod triage;
mod volumes;
mod warning;
pub mod workload;

#[cfg(test)]
mod testing;

pub use app_id::{APP_ID, AppIdError};
pub use callers::{Account, Callers, PatternError};
pub use cluster::{Actors, Cluster, Facts, Native, PullPolicy, SecurityDefaults};
pub use components::Component;
pub use defaults::{Defaults, Setting, Source, is_setting};
pub use environment::EnvironmentError;
pub use glob::{Glob, GlobError};
pub use notice::Notice;
pub use patch::Injection;
pub use pod::Toleration;
pub use quantity::{Quantity, QuantityError};
pub use review::{GroupVersionKind, Request, Response, Review, ReviewError, UserInfo};
pub use triage::{Candidate, Denial, Skip, Triage, Verdict, triage};
pub use warning::Warning;
