//! What was found out about an instance before anything is done.

use std::collections::BTreeSet;

use crds::shared_instance::SharedInstanceStatus;
use k8s_openapi::jiff::Timestamp;

use super::seen::Counts;

/// What was found out about an instance before anything is done.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) conflict: Option<Conflict>,
    /// The bound workloads, as `Kind/name`.
    pub(super) workloads: BTreeSet<String>,
    /// Their service accounts.
    pub(super) accounts: BTreeSet<Box<str>>,
    /// How many pods use it.
    pub(super) pods: usize,
    pub(super) oldest_pod: Option<Timestamp>,
    pub(super) idle_since: Option<Timestamp>,
    /// How many of the app's pods are ready.
    pub(super) endpoints: usize,
    /// None while there is no workload for instances.
    pub(super) counts: Option<Counts>,
    pub(super) previous: SharedInstanceStatus,
}

/// What stands in the way of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

// === impl Conflict ===

impl Conflict {
    pub(super) fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }
}
