//! What the election decides about, in the rest of the process.

use tokio::sync::watch;

use crate::{mandate::Mandate, namespaces::Namespaces};

/// Whether this replica may hand out tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No replica is known to lead.
    Candidate,
    /// Another replica leads.
    Follower,
    /// This replica leads.
    Leader,
}

/// What the election decides about, in the rest of the process.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) role: watch::Sender<Role>,
    pub(crate) mandate: Mandate,
    pub(crate) namespaces: Namespaces,
}
