//! Who made pods without a sidecar before: if replacements come bare, too, deleting them helps
//! nobody, and is done less and less often.

use std::collections::BTreeMap;

/// Seconds from a deletion until a replacement that came bare is deleted in turn; doubles each time.
const FIRST_WAIT: i64 = 60;
const LONGEST_WAIT: i64 = 3600;

/// Seconds until an owner that behaves is forgotten.
const REMEMBERED: i64 = 2 * LONGEST_WAIT;

/// Whether a pod may be deleted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its owner has made no replacement that came bare.
    First,
    /// It is a replacement that came bare, and it was waited long enough.
    Again,
    /// It is a replacement that came bare not long ago.
    Wait,
}

/// Who made pods without a sidecar, by UID. Times are seconds since 1970.
#[derive(Debug, Default)]
pub struct Owners(BTreeMap<String, Record>);

#[derive(Debug)]
struct Record {
    /// The last deletion of a pod that was no replacement, or was one and had waited.
    since: i64,
    misses: u32,
}

// === impl Owners ===

impl Owners {
    /// Whether a pod that an owner made may be deleted.
    pub fn turn(&self, owner: &str, created: i64, now: i64) -> Turn {
        match self.0.get(owner) {
            None => Turn::First,
            Some(record) if created < record.since => Turn::First,
            Some(record) if now >= record.since + record.wait() => Turn::Again,
            Some(_) => Turn::Wait,
        }
    }

    /// Takes note of a deletion.
    pub fn deleted(&mut self, owner: &str, turn: Turn, now: i64) {
        self.0.retain(|_, record| now < record.since + REMEMBERED);
        match self.0.get_mut(owner) {
            None => {
                let new = Record {
                    since: now,
                    misses: 0,
                };
                self.0.insert(owner.to_owned(), new);
            }
            Some(record) if turn == Turn::Again => {
                record.since = now;
                record.misses += 1;
            }
            Some(_) => {}
        }
    }
}

// === impl Record ===

impl Record {
    fn wait(&self) -> i64 {
        (FIRST_WAIT << self.misses.min(16)).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pods_of_before_go_at_once() {
        let mut owners = Owners::default();
        for now in 100..110 {
            assert_eq!(owners.turn("o", 50, now), Turn::First);
            owners.deleted("o", Turn::First, now);
        }
    }

    #[test]
    fn replacements_that_come_bare_wait_longer_each_time() {
        let (mut owners, mut now, mut waits) = (Owners::default(), 1000, Vec::new());
        owners.deleted("o", Turn::First, now);
        for _ in 0..8 {
            let created = now + 1;
            let begun = now;
            while owners.turn("o", created, now) == Turn::Wait {
                now += 1;
            }
            waits.push(now - begun);
            owners.deleted("o", Turn::Again, now);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn owners_are_apart_and_forgotten() {
        let mut owners = Owners::default();
        owners.deleted("o", Turn::First, 0);
        assert_eq!(owners.turn("o", 1, 2), Turn::Wait);
        assert_eq!(owners.turn("other", 1, 2), Turn::First);
        owners.deleted("other", Turn::First, REMEMBERED);
        assert_eq!(owners.0.len(), 1);
    }
}
