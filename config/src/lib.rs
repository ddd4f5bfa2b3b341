//! What a process is told: Go-style flags, Go durations, YAML, and the spellings of "true".
//!
//! Nothing here reads a file, the environment or the clock; callers pass text in.

pub mod args;
pub mod duration;
pub mod listen;
pub mod truthy;
pub mod yaml;

pub use duration::GoDuration;
pub use truthy::truthy;
