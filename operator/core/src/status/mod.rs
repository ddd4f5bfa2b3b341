//! What is found out about a resource, for its status and as Events.
//!
//! ```text
//! resource -> problems ---------+
//! secrets, stores (Presence) ---+-> Facts -> report -> conditions to write, those that got worse
//! pods -> Apps (who is there) --+
//! ```

mod agenda;
mod apps;
mod problems;
mod report;

pub use agenda::Agenda;
pub use apps::{App, Apps, PodKey};
pub use problems::{Problem, problems};
pub use report::{Facts, Presence, Report, missing_key, report};
