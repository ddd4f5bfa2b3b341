//! A running sidecar, and the mark on its pod.

use std::sync::Arc;

use sentry_core::rotation::KnownRoots;

/// The condition of pods whose last known root ends soon.
pub(super) const CONDITION: &str = "trilby.dev/TrustAnchorsEnd";

/// A running sidecar that was given roots.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// Namespace of its pod.
    pub namespace: String,
    /// Name of its pod.
    pub pod: String,
    /// UID of its pod.
    pub uid: Option<String>,
    /// Version of its pod, so that of several replicas one writes to it.
    pub version: Option<String>,
    /// What made its pod: kind and name.
    pub owner: Option<(String, String)>,
    /// What its pod says about its roots already.
    pub told: Option<String>,
    /// The roots it was given.
    pub roots: Arc<KnownRoots>,
}
