//! What waits to be written to one stream.

use std::collections::VecDeque;

use crate::order::{Order, Step};

/// The unsent orders of one stream, each with what the shell writes for it.
///
/// A newer LOCK supersedes everything unsent before it, and an UPDATE or UNLOCK is only kept if
/// it belongs to the last LOCK. So at most one LOCK, one UPDATE and one UNLOCK are ever held, and
/// what a stream is told at first: a stream that is not read costs a bounded amount and no one
/// else's time.
#[derive(Debug)]
pub struct Outbox<F> {
    locked: Option<u64>,
    unsent: VecDeque<F>,
    /// How many of these are sent in any case: all up to a preview.
    kept: usize,
}

// === impl Outbox ===

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self {
            locked: None,
            unsent: VecDeque::new(),
            kept: 0,
        }
    }
}

impl<F> Outbox<F> {
    /// Adds an order, written as `frame`.
    pub fn push(&mut self, order: Order, frame: F) {
        if order.step == Step::Lock && self.locked.is_none_or(|locked| locked <= order.version) {
            self.locked = Some(order.version);
            self.unsent.truncate(self.kept);
        } else if order.step == Step::Lock || self.locked != Some(order.version) {
            return;
        }
        self.unsent.push_back(frame);
        if order.step == Step::Preview {
            self.kept = self.unsent.len();
        }
    }

    /// The next frame to write.
    pub fn pop(&mut self) -> Option<F> {
        self.kept = self.kept.saturating_sub(1);
        self.unsent.pop_front()
    }

    /// Forgets what is unsent.
    pub fn clear(&mut self) {
        self.kept = 0;
        self.unsent.clear();
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_round(&["L1", "U1", "N1"], "L1 U1 N1")]
    #[case::newer_lock(&["L1", "U1", "L2"], "L2")]
    #[case::push_again(&["L3", "U3", "N3", "L3", "U3", "N3"], "L3 U3 N3")]
    #[case::older_lock(&["L2", "L1"], "L2")]
    #[case::older_update(&["L2", "U1", "U2"], "L2 U2")]
    #[case::preview_in_any_case(&["L1", "P1", "L2", "U2", "L3"], "L1 P1 L3")]
    #[case::nothing_without_lock(&["U1", "N1"], "")]
    fn keeps_what_belongs_to_the_last_lock(#[case] orders: &[&str], #[case] kept: &str) {
        let mut outbox = Outbox::default();
        for text in orders {
            outbox.push(order(text), *text);
        }
        let left: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(left.join(" "), kept);
    }

    fn order(text: &str) -> Order {
        let step = match &text[..1] {
            "L" => Step::Lock,
            "P" => Step::Preview,
            "U" => Step::Update,
            _ => Step::Unlock,
        };
        Order {
            step,
            version: text[1..].parse().unwrap(),
        }
    }
}
