//! When each leader sent orders.

use std::{collections::BTreeMap, time::Duration};

use crate::replicas::Life;

/// The first and the last order of each leader, as time since any fixed moment.
#[derive(Default)]
pub(crate) struct Reigns(BTreeMap<Life, (Duration, Duration)>);

/// Orders of an old leader that were on their way, or wait in a process.
const ON_THE_WAY: Duration = Duration::from_millis(200);

// === impl Reigns ===

impl Reigns {
    pub(crate) fn note(&mut self, by: Life, at: Duration) {
        let (first, last) = self.0.entry(by).or_insert((at, at));
        (*first, *last) = ((*first).min(at), (*last).max(at));
    }

    /// The time in which one leader sent orders does not overlap with that of another.
    pub(crate) fn check(&self) {
        let mut reigns: Vec<_> = self.0.iter().collect();
        reigns.sort_by_key(|(_, (first, _))| *first);
        let mut before: Option<(Life, Duration)> = None;
        for (life, (first, last)) in reigns {
            if let Some((other, until)) = before {
                let overlap = until.saturating_sub(*first);
                assert!(
                    overlap < ON_THE_WAY,
                    "{other:?} and {life:?} both led during {overlap:?}"
                );
            }
            if before.is_none_or(|(_, until)| until < *last) {
                before = Some((*life, *last));
            }
        }
    }
}

#[test]
#[should_panic(expected = "both led")]
fn two_that_lead_are_seen() {
    let mut reigns = Reigns::default();
    for (life, second) in [((0, 0), 1), ((1, 0), 3), ((0, 0), 4), ((1, 0), 6)] {
        reigns.note(life, Duration::from_secs(second));
    }
    reigns.check();
}

#[test]
fn one_after_the_other_is_as_it_should_be() {
    let mut reigns = Reigns::default();
    for (life, second) in [((0, 0), 1), ((0, 0), 3), ((1, 0), 3), ((0, 1), 9)] {
        reigns.note(life, Duration::from_secs(second));
    }
    reigns.check();
}
