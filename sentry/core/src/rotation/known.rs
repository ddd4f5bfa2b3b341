//! The roots that a running sidecar knows, and how long they will do.

use jiff::{SignedDuration, Timestamp};

use super::Fingerprint;
use crate::{pem, x509::chain};

/// A year's root is announced so many days before its end; one that lives shorter, in
/// proportion.
const FULL_LIFE_DAYS: i64 = 365;
const DAY: i64 = 24 * 3600;

/// The roots that a sidecar was started with. It never learns of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRoots(Vec<Root>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    fingerprint: Fingerprint,
    begins: Timestamp,
    ends: Timestamp,
}

/// How near the end of a root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// Within 60 days.
    Days60,
    /// Within 30 days.
    Days30,
    /// Within 7 days.
    Days7,
    /// Over: no peer is verified any longer.
    Ended,
}

// === impl Nearness ===

impl Nearness {
    /// All of them, the farthest first.
    pub const ALL: [Self; 4] = [Self::Days60, Self::Days30, Self::Days7, Self::Ended];

    /// The name in conditions and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Days60 => "Within60Days",
            Self::Days30 => "Within30Days",
            Self::Days7 => "Within7Days",
            Self::Ended => "Ended",
        }
    }

    /// How near the end of something with this life is, once it is near. Of a life shorter than
    /// a year, a day counts a 365th part of it: a root of thirty minutes is not near its end from
    /// the start.
    pub fn of(begins: Timestamp, ends: Timestamp, now: Timestamp) -> Option<Self> {
        if ends <= now {
            return Some(Self::Ended);
        }
        let life = ends.duration_since(begins).as_secs();
        let day = (life / FULL_LIFE_DAYS).min(DAY);
        let left = ends.duration_since(now);
        let within = |days: i64| left <= SignedDuration::from_secs(days * day);
        match () {
            () if within(7) => Some(Self::Days7),
            () if within(30) => Some(Self::Days30),
            () if within(60) => Some(Self::Days60),
            () => None,
        }
    }
}

// === impl KnownRoots ===

impl KnownRoots {
    /// Reads what a sidecar was given; what is no certificate it does not know.
    pub fn from_pem(text: &str) -> Self {
        let certificates = pem::certificates(text.as_bytes()).unwrap_or_default();
        let root = |der| {
            let root = chain::parse(der)?;
            Some(Root {
                fingerprint: Fingerprint::of(der),
                begins: chain::not_before(&root),
                ends: chain::not_after(&root),
            })
        };
        Self(certificates.iter().filter_map(root).collect())
    }

    pub(crate) fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.iter().any(|root| root.fingerprint == *fingerprint)
    }

    /// The longest-lived of them.
    fn last(&self) -> Option<&Root> {
        self.0.iter().max_by_key(|root| root.ends)
    }

    /// When the last of them ends; `None` if there is none.
    pub fn end(&self) -> Option<Timestamp> {
        self.last().map(|root| root.ends)
    }

    /// What calls the longest-lived of them by name.
    pub fn last_fingerprint(&self) -> Option<&Fingerprint> {
        self.last().map(|root| &root.fingerprint)
    }

    /// Those of them that are also in `bundle`: others lead nowhere any longer.
    #[must_use]
    pub fn within(&self, bundle: &Self) -> Self {
        let shared = self
            .0
            .iter()
            .filter(|root| bundle.contains(&root.fingerprint));
        Self(shared.cloned().collect())
    }

    /// How near the end of the last of them is, once it is near.
    pub fn nearness(&self, now: Timestamp) -> Option<Nearness> {
        self.last().map_or(Some(Nearness::Ended), |root| {
            Nearness::of(root.begins, root.ends, now)
        })
    }
}
