//! How long this replica may hand out tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The leave to hand out tables, up to a moment. Clones are the same leave.
///
/// It is looked at right before anything is written to a sidecar. A leader that was frozen, or cut
/// off from the others, so falls silent by itself before another can have been elected, even if
/// it has not heard of that.
#[derive(Clone, Debug)]
pub struct Mandate {
    since: Instant,
    /// Nanoseconds after `since`.
    until: Arc<AtomicU64>,
}

/// In the place of a moment: never ends.
const FOREVER: u64 = u64::MAX;

// === impl Mandate ===

impl Mandate {
    /// No leave, for the time being.
    pub fn none() -> Self {
        Self {
            since: Instant::now(),
            until: Arc::default(),
        }
    }

    /// The leave of a replica that has no peers.
    pub fn forever() -> Self {
        let mandate = Self::none();
        mandate.extend_forever();
        mandate
    }

    pub(crate) fn extend_forever(&self) {
        self.until.store(FOREVER, Ordering::Release);
    }

    /// Moves the end; a moment before it changes nothing.
    pub(crate) fn extend(&self, until: Instant) {
        let nanoseconds = until.saturating_duration_since(self.since).as_nanos();
        let until = u64::try_from(nanoseconds).unwrap_or(FOREVER);
        self.until.fetch_max(until, Ordering::AcqRel);
    }

    pub(crate) fn revoke(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Whether tables may be handed out now.
    pub fn holds(&self) -> bool {
        match self.until.load(Ordering::Acquire) {
            FOREVER => true,
            until => self.since.elapsed() < Duration::from_nanos(until),
        }
    }

    /// Returns when it ended.
    pub(crate) async fn ended(&self) {
        while self.holds() {
            let left = Duration::from_nanos(self.until.load(Ordering::Acquire));
            tokio::time::sleep_until(self.since + left.min(Duration::from_hours(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_by_itself_unless_extended() {
        let (mandate, now) = (Mandate::none(), Instant::now());
        assert!(!mandate.holds());
        mandate.extend(now + Duration::from_millis(300));
        mandate.extend(now + Duration::from_millis(1));
        tokio::time::sleep_until(now + Duration::from_millis(2)).await;
        assert!(mandate.holds(), "an earlier end changes nothing");
        mandate.ended().await;
        assert!(!mandate.holds());
        assert!(now.elapsed() >= Duration::from_millis(300));
    }

    #[test]
    fn can_be_given_forever_and_taken() {
        let mandate = Mandate::forever();
        assert!(mandate.holds());
        mandate.revoke();
        assert!(!mandate.holds());
    }
}
