//! The server shell: logs, health, metrics, signals, supervised tasks, drain, and the way to the
//! Kubernetes API.
//!
//! A service's `main` parses its flags and hands a start function to [`run`]. That function
//! spawns supervised tasks through [`Process`] and returns when the service is started:
//!
//! ```text
//! main -> run -> start(Process) -> spawn(task) ...
//!          |                          |
//!          +-- signal, or the unasked end of any task: drain, exit code
//! ```
//!
//! Nothing runs unwatched: every task has a name; the end or panic of any of them stops the
//! process and says which; the drain has a deadline; a second signal ends the wait.

mod collector;
mod flags;
pub mod health;
pub mod kubernetes;
mod log;
mod metrics;
mod root;
mod run;
mod tasks;

pub use flags::Flags;
pub use health::{Health, Target};
pub use root::{RootRefused, refuse_root};
pub use run::{Process, Service, run};
pub use tasks::BoxError;
