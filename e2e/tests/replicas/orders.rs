//! What real sidecars were sent by which replica, as their logs tell.

use std::time::Duration;

use e2e::Reigns;

use crate::replicas::Life;

/// An order as a sidecar took it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Lock(u64),
    Update(u64),
    Unlock(u64),
}

#[derive(Debug)]
enum What {
    Connected(Life),
    Handled(Order),
}

/// How far one sidecar is.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    by: Option<Life>,
    last: Option<Order>,
    locked: Option<u64>,
    updated: Option<u64>,
}

/// The orders of all sidecars.
pub(crate) struct Orders {
    /// As the logs were read.
    latest: Vec<State>,
    /// As they happened, up to the last check.
    checked: Vec<State>,
    unchecked: Vec<(Duration, usize, What)>,
    reigns: Reigns<Life>,
}

// === impl Order ===

impl Order {
    /// Such as `update version=3`.
    pub(crate) fn parse(text: &str) -> Self {
        let (word, version) = text.split_once(" version=").unwrap();
        let version = version.parse().unwrap();
        match word {
            "lock" => Self::Lock(version),
            "update" => Self::Update(version),
            _ => Self::Unlock(version),
        }
    }
}

// === impl State ===

impl State {
    fn take_in(&mut self, what: &What) {
        match what {
            What::Connected(by) => {
                *self = Self {
                    by: Some(*by),
                    ..Self::default()
                }
            }
            What::Handled(order) => {
                self.last = Some(*order);
                match order {
                    Order::Lock(version) => self.locked = Some(*version),
                    Order::Update(version) => self.updated = Some(*version),
                    Order::Unlock(_) => {}
                }
            }
        }
    }
}

// === impl Orders ===

impl Orders {
    /// Of so many sidecars.
    pub(crate) fn of(count: usize) -> Self {
        Self {
            latest: vec![State::default(); count],
            checked: vec![State::default(); count],
            unchecked: Vec::new(),
            reigns: Reigns::default(),
        }
    }

    pub(crate) fn connected(&mut self, sidecar: usize, line: &str, by: Life) {
        self.note(sidecar, line, What::Connected(by));
    }

    pub(crate) fn handled(&mut self, sidecar: usize, line: &str, order: Order) {
        self.note(sidecar, line, What::Handled(order));
    }

    fn note(&mut self, sidecar: usize, line: &str, what: What) {
        self.latest[sidecar].take_in(&what);
        self.unchecked.push((time(line), sidecar, what));
    }

    /// The one replica that has unlocked all sidecars, if there is one.
    pub(crate) fn unlocked_by(&self) -> Option<Life> {
        let by = self.latest.first()?.by?;
        let unlocked =
            |state: &State| state.by == Some(by) && matches!(state.last, Some(Order::Unlock(_)));
        self.latest.iter().all(unlocked).then_some(by)
    }

    /// Whether all are in the middle of a round, with its table.
    pub(crate) fn are_updated(&self) -> bool {
        let updated = |state: &State| matches!(state.last, Some(Order::Update(_)));
        self.latest.iter().all(updated)
    }

    /// Never do two replicas send orders at once; and whenever a sidecar is unlocked, all that
    /// this replica serves have the table.
    pub(crate) fn check(&mut self) {
        self.unchecked.sort_by_key(|(at, ..)| *at);
        for (at, sidecar, what) in std::mem::take(&mut self.unchecked) {
            self.checked[sidecar].take_in(&what);
            let Some(by) = self.checked[sidecar].by else {
                continue;
            };
            if let What::Handled(order) = what {
                self.reigns.note(by, at);
                self.check_order(by, order);
            }
        }
        assert_eq!(self.reigns.overlap(), None, "two led at once");
    }

    fn check_order(&self, by: Life, order: Order) {
        let Order::Unlock(version) = order else {
            return;
        };
        let served = |state: &&State| state.by == Some(by);
        for state in self.checked.iter().filter(served) {
            // One that came later was locked for the next round at first.
            let later = state.locked.is_none_or(|locked| locked > version);
            assert!(
                later || state.updated == Some(version),
                "{by:?} sent UNLOCK {version} while a sidecar had another table"
            );
        }
    }
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.latest).finish()
    }
}

/// The time of a line, since 1970.
fn time(line: &str) -> Duration {
    let stamp = line.split('"').nth(1).unwrap_or_default();
    let stamp: jiff::Timestamp = stamp.parse().unwrap();
    stamp.as_duration().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(what: &[(u64, usize, What)]) -> Orders {
        let mut orders = Orders::of(2);
        for (second, sidecar, what) in what {
            let line = format!("time=\"2026-01-01T00:00:{second:02}Z\" level=debug");
            match what {
                What::Connected(by) => orders.connected(*sidecar, &line, *by),
                What::Handled(order) => orders.handled(*sidecar, &line, *order),
            }
        }
        orders
    }

    const CONNECTED: What = What::Connected((0, 0));

    fn round(unlock_at: u64) -> Orders {
        use Order::{Lock, Unlock, Update};
        noted(&[
            (0, 0, CONNECTED),
            (0, 1, CONNECTED),
            (1, 0, What::Handled(Lock(1))),
            (1, 1, What::Handled(Lock(1))),
            (2, 0, What::Handled(Update(1))),
            (4, 1, What::Handled(Update(1))),
            (unlock_at, 0, What::Handled(Unlock(1))),
            (9, 1, What::Handled(Unlock(1))),
        ])
    }

    #[test]
    fn all_have_the_table_before_one_is_unlocked() {
        let mut orders = round(5);
        assert_eq!(orders.unlocked_by(), Some((0, 0)));
        orders.check();
    }

    #[test]
    #[should_panic(expected = "had another table")]
    fn an_early_unlock_is_seen() {
        round(3).check();
    }
}
