//! What to look at, and when. Each thing is on it once, however often it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What to look at, and when, by a clock that counts from any beginning.
#[derive(Debug)]
pub struct Agenda<K> {
    times: BTreeMap<K, Duration>,
    order: BTreeSet<(Duration, K)>,
}

impl<K: Ord + Clone> Default for Agenda<K> {
    fn default() -> Self {
        Self {
            times: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

// === impl Agenda ===

impl<K: Ord + Clone> Agenda<K> {
    /// Asks for a look at a time, or sooner if one was asked for already.
    pub fn add(&mut self, key: K, at: Duration) {
        if self.times.get(&key).is_some_and(|known| *known <= at) {
            return;
        }
        self.remove(&key);
        self.times.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    /// When the next look is due.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The next look, if it is due.
    pub fn pop(&mut self, now: Duration) -> Option<K> {
        let (at, key) = self.order.first()?.clone();
        if at > now {
            return None;
        }
        self.remove(&key);
        Some(key)
    }

    fn remove(&mut self, key: &K) {
        if let Some(at) = self.times.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_soonest_look_counts() {
        let mut agenda = Agenda::default();
        agenda.add("a", at(9));
        agenda.add("a", at(3));
        agenda.add("a", at(7));
        assert_eq!(agenda.next(), Some(at(3)));
        assert_eq!(agenda.pop(at(2)), None);
        assert_eq!(agenda.pop(at(3)), Some("a"));
        assert_eq!((agenda.pop(at(99)), agenda.next()), (None, None));
    }

    #[test]
    fn what_is_due_first_comes_first() {
        let mut agenda = Agenda::default();
        agenda.add("late", at(2));
        agenda.add("early", at(1));
        assert_eq!(agenda.pop(at(5)), Some("early"));
        assert_eq!(agenda.pop(at(5)), Some("late"));
    }
}
