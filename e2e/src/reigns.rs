//! When each leader among several replicas led.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

/// The first and the last time at which each leader was seen to lead, as time since any fixed
/// moment. A leader is known by what changes with its restart, since nobody leads twice.
#[derive(Clone, Debug)]
pub struct Reigns<L>(BTreeMap<L, (Duration, Duration)>);

/// What an old leader sent may be on its way, or wait in a process.
const ON_THE_WAY: Duration = Duration::from_millis(200);

// === impl Reigns ===

impl<L> Default for Reigns<L> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<L: Clone + Debug + Ord> Reigns<L> {
    /// It was seen to lead at this time.
    pub fn note(&mut self, leader: L, at: Duration) {
        let (first, last) = self.0.entry(leader).or_insert((at, at));
        (*first, *last) = ((*first).min(at), (*last).max(at));
    }

    /// Two that led at once, and for how long.
    pub fn overlap(&self) -> Option<(L, L, Duration)> {
        let mut reigns: Vec<_> = self.0.iter().collect();
        reigns.sort_by_key(|(_, (first, _))| *first);
        let mut before: Option<(&L, Duration)> = None;
        for (leader, (first, last)) in reigns {
            let (other, until) = before.unwrap_or((leader, Duration::ZERO));
            let overlap = until.saturating_sub(*first);
            if overlap >= ON_THE_WAY {
                return Some((other.clone(), leader.clone(), overlap));
            }
            if until <= *last {
                before = Some((leader, *last));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(seen: &[(char, u64)]) -> Option<(char, char, Duration)> {
        let mut reigns = Reigns::default();
        for (leader, second) in seen {
            reigns.note(*leader, Duration::from_secs(*second));
        }
        reigns.overlap()
    }

    #[test]
    fn two_that_lead_are_seen() {
        let seen = [('a', 1), ('b', 3), ('a', 4), ('b', 6)];
        assert_eq!(overlap(&seen), Some(('a', 'b', Duration::from_secs(1))));
        let seen = [('a', 1), ('b', 2), ('c', 4), ('a', 6)];
        assert_eq!(overlap(&seen), Some(('a', 'b', Duration::from_secs(4))));
    }

    #[test]
    fn one_after_the_other_is_as_it_should_be() {
        assert_eq!(overlap(&[('a', 1), ('a', 3), ('b', 3), ('c', 9)]), None);
    }
}
