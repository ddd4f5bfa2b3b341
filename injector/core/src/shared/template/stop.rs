//! How a pod of a shared instance ends without a lost event.
//!
//! ```text
//! deleted                              block               grace            drain
//!    | proxy: not ready, clients leave    |                   | SIGTERM        |
//!    | daprd: takes no events, APIs go on | ends what it does | gone           | gone
//! ```
//!
//! The kubelet stops the proxy, a native sidecar, when daprd has ended: what daprd still delivers
//! reaches the app, and what apps still call reaches daprd.

use config::GoDuration;

use crate::options::Shutdown;

/// daprd's APIs go on for so long where nobody says otherwise, in seconds: other apps' daprds
/// remember its address for 20 (`docs/injection.md`).
const BLOCK: u32 = 25;
/// What daprd takes for "nobody said" (Dapr: `pkg/runtime/config.go`), in seconds.
const GRACE: u64 = 5;
/// What the proxy takes at most for calls that still run (its `--drain-timeout`), in seconds.
const DRAIN: u64 = 15;
/// What processes take to end and the kubelet to notice, in seconds.
const SLACK: u64 = 5;

/// The times of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    block: String,
    /// In seconds.
    grace: u64,
}

// === impl Stop ===

impl Stop {
    pub(super) fn of(shutdown: &Shutdown) -> Self {
        let delay = shutdown.delay.filter(|seconds| *seconds > 0);
        let block = || format!("{}s", delay.unwrap_or(BLOCK));
        Self {
            block: shutdown.block.clone().unwrap_or_else(block),
            grace: u64::try_from(shutdown.grace).unwrap_or(GRACE),
        }
    }

    /// The value of `--dapr-block-shutdown-duration`.
    pub(super) fn block(&self) -> String {
        self.block.clone()
    }

    /// `terminationGracePeriodSeconds`: longer than all steps together.
    pub(super) fn seconds(&self) -> i64 {
        let block = self.block.parse::<GoDuration>().ok();
        let block = block.and_then(GoDuration::as_std).unwrap_or_default();
        let steps = [block.as_secs() + 1, self.grace, DRAIN, SLACK];
        let all = steps
            .iter()
            .fold(0_u64, |sum, step| sum.saturating_add(*step));
        i64::try_from(all).unwrap_or(i64::MAX)
    }
}
