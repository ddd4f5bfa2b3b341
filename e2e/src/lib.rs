//! The whole product at work on a real cluster: install it, drive it, prove each step.
//!
//! `cargo xtask demo` shows the [`steps`] to a person, and the cluster tests assert them.

mod apps;
mod install;
mod kube;
pub mod modes;
mod reigns;
pub mod steps;

pub use apps::{Apps, NAMESPACE};
pub use install::{CONTROL_PLANE, Images, Install, SERVICES};
pub use kube::Kube;
pub use reigns::Reigns;
