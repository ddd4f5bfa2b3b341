//! Which instance acts on events that each instance gets its own copy of.
//!
//! ```text
//!            | it leads        | another leads                        | nobody does
//! its copy   | is delivered    | waits for a sign of life of that one | waits
//!            |                 | that is later, and is dropped        |
//! ```
//!
//! A copy is dropped only if the leader is known to have been there after it came, and so to have
//! got its own. Else the next leader delivers the one that it kept. In doubt an event comes twice,
//! never not at all: a leader goes on while the API server is out of reach.

use std::time::{Duration, Instant};

/// Others may take a lease this long after its last renewal.
pub const LASTS: Duration = Duration::from_secs(10);
/// How often a leader renews it.
pub const RENEWS: Duration = Duration::from_secs(3);
/// Two instances get their copies of an event this much apart at most: by so much their clocks, or
/// the ways to them, may differ.
pub const APART: Duration = Duration::from_millis(500);

/// What a lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Who leads; nobody if it is empty.
    pub holder: Box<str>,
    /// When it was renewed, as it is written: clocks differ, so only a change says something.
    pub renewed: Box<str>,
}

/// What is to be done about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write that this instance leads.
    Hold,
    /// Write that nobody does.
    Release,
    /// Nothing until then, or until the lease is another.
    Wait(Option<Instant>),
}

/// What is to be done with a copy of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The app gets it.
    Deliver,
    /// The leader's copy is the one that counts.
    Drop,
    /// That is not known yet.
    Wait,
}

/// One instance that may lead.
#[derive(Debug)]
pub struct Candidate {
    name: Box<str>,
    seen: Option<(Lease, Instant)>,
    /// The last sign of life of another leader.
    sign: Option<Instant>,
    /// When this one ceased to lead.
    left: Option<Instant>,
}

// === impl Candidate ===

impl Candidate {
    /// One that knows nothing of the lease; `name` is unlike all others.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            seen: None,
            sign: None,
            left: None,
        }
    }

    /// What the lease says if this one holds it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.holder() == Some(&self.name)
    }

    fn holder(&self) -> Option<&str> {
        self.seen.as_ref().map(|(lease, _)| &*lease.holder)
    }

    /// Takes note of what the lease says now; whether that is news.
    pub fn observe(&mut self, lease: Lease, now: Instant) -> bool {
        if self.seen.as_ref().is_some_and(|(seen, _)| *seen == lease) {
            return false;
        }
        let led = self.leads();
        let was_led = self.holder().is_some_and(|holder| !holder.is_empty());
        // Whoever gives the lease up was there until then.
        let is_sign =
            *lease.holder != *self.name && (!lease.holder.is_empty() || (was_led && !led));
        // What was found at first may be long over.
        if is_sign && self.seen.is_some() {
            self.sign = Some(now);
        }
        self.seen = Some((lease, now));
        if led && !self.leads() {
            self.left = Some(now);
        }
        true
    }

    /// What is to be done about the lease, if this one wants to lead or doesn't.
    pub fn next(&self, wants: bool, now: Instant) -> Step {
        let Some((lease, since)) = &self.seen else {
            return Step::Wait(None);
        };
        let due = |after: Duration| {
            let time = *since + after;
            if now >= time {
                Step::Hold
            } else {
                Step::Wait(Some(time))
            }
        };
        match (self.leads(), wants) {
            (true, false) => Step::Release,
            (true, true) => due(RENEWS),
            (false, false) => Step::Wait(None),
            (false, true) if lease.holder.is_empty() => Step::Hold,
            (false, true) => due(LASTS),
        }
    }

    /// What is to be done with a copy that came at `arrived`.
    pub fn judge(&self, arrived: Instant) -> Verdict {
        // The others may have dropped theirs before this one left.
        let came_in_time = |left: Instant| arrived < left + APART;
        let was_there = |sign: Instant| arrived + APART <= sign;
        // Also when this one leads by now: the one before it was there long enough.
        if self.sign.is_some_and(was_there) {
            Verdict::Drop
        } else if self.leads() || self.left.is_some_and(came_in_time) {
            Verdict::Deliver
        } else {
            Verdict::Wait
        }
    }
}
