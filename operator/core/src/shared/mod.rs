//! Shared instances: which there should be, what each is made of, and what is told of it.
//!
//! ```text
//! workloads, namespaces, SharedInstances, pods, objects -> Registry ── decide(app) -> Decision
//!                                                                          │
//!   Plan ── objects(plan, template) ── steps(wanted, seen) -> apply, delete, blocked
//!     └──── status(plan, outcome) -> the status of the SharedInstance
//! Secret -> Tokens ── step(clock, entropy, oldest pod) -> Secret
//! ```
//!
//! An instance is made for the workloads that ask for one by annotation, or by a person. What a
//! person set is never changed; an object that is not the instance's is never touched.

mod binding;
mod conflict;
mod decision;
mod exclusive;
mod facts;
#[cfg(test)]
mod fixtures;
mod function;
mod instance;
mod kind;
mod ledger;
mod modes;
mod objects;
mod plan;
mod pods;
mod registry;
mod seen;
mod status;
mod tokens;
pub mod values;

pub use binding::{Binding, BindingKey};
pub use decision::{Action, Decision, Notice, strategy_is_ours};
pub use exclusive::ExclusiveBindings;
pub use injector_core::shared::{BOUND_TO, INSTANCE, MODE};
pub use kind::{BoundKind, ObjectKind, Resource};
pub use ledger::{Ledger, Step};
pub use modes::Modes;
pub use objects::{Surroundings, Wanted, objects, secret};
pub use plan::Plan;
pub use registry::{Look, Registry};
pub use seen::{AppKey, Counts, ObjectKey, Seen};
pub use status::Outcome;
pub use tokens::{Circumstances, ENTROPY, Tokens};

/// Who we are to the API server when we apply.
pub const FIELD_MANAGER: &str = "trilby-shared";

/// Label of the instances that were made for annotations; without it they stay.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub const MANAGER: &str = "trilby";
