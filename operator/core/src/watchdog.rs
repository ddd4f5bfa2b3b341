//! The watchdog: pods that asked for a sidecar and run without one are deleted, so that their
//! replacements get one.

mod owners;
mod pod;
mod schedule;

pub use owners::{Owners, Turn};
pub use pod::{Owner, Pod, SELECTOR, Verdict};
pub use schedule::{Schedule, UnknownSchedule};
