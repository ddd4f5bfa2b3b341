//! How long a call is held while it cannot be delivered, and how many are.

use std::time::{Duration, Instant};

use crate::pool::Unavailable;

/// While all endpoints refuse connections, so long. The app is there and broken, or starting.
pub const REFUSING: Duration = Duration::from_secs(10);

/// The bounds of holding. Bodies are not read while a call is held, so that held calls cost
/// their headers and what the connection's window lets in.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many calls at once.
    pub calls: usize,
    /// So long each, while there is no endpoint.
    pub call: Duration,
    /// So long those calls that daprd makes once in its life and does not repeat.
    pub once: Duration,
}

/// What is held.
#[derive(Debug)]
pub struct Holding {
    bounds: Bounds,
    held: usize,
}

/// One call that waits.
#[derive(Debug)]
pub struct Waiting {
    once: bool,
    begun: Instant,
    /// Since when there are endpoints and all of them refuse.
    refusing: Option<Instant>,
}

/// Why a call that could not be sent was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenUp {
    /// As many calls are held as may be.
    #[error("the app has no ready endpoint, and too many calls wait for one")]
    Full,
    /// It waited for an endpoint as long as it may.
    #[error("the app has no ready endpoint")]
    NoEndpoint,
    /// The endpoints are there and refused connections as long as a call waits for that.
    #[error("no endpoint of the app accepts connections")]
    Refused,
    /// The actor's calls at its former endpoint did not end.
    #[error("the actor's calls at its former endpoint have not ended")]
    ActorBusy,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An endpoint.
    Unavailable(Unavailable),
    /// The end of the actor's calls elsewhere.
    Turn,
}

// === impl Holding ===

impl Holding {
    /// Nothing is held.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, held: 0 }
    }

    /// Holds one call more. The calls that are made `once` are few and always held.
    ///
    /// # Errors
    /// If as many are held as may be.
    pub fn enter(&mut self, once: bool) -> Result<(), GivenUp> {
        if self.held >= self.bounds.calls && !once {
            return Err(GivenUp::Full);
        }
        self.held += 1;
        Ok(())
    }

    /// Holds one call less.
    pub fn leave(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// How many calls are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Until when `waiting` waits before it asks again, unless something changes.
    ///
    /// # Errors
    /// If it has waited as long as it may.
    pub fn wait(
        &self,
        waiting: &mut Waiting,
        reason: Reason,
        now: Instant,
    ) -> Result<Instant, GivenUp> {
        let end = waiting.begun + self.longest(waiting.once);
        match reason {
            Reason::Turn => before(end, now, GivenUp::ActorBusy),
            Reason::Unavailable(Unavailable::Empty) => {
                waiting.refusing = None;
                before(end, now, GivenUp::NoEndpoint)
            }
            Reason::Unavailable(Unavailable::Refusing { until }) => {
                let since = *waiting.refusing.get_or_insert(now);
                let end = if waiting.once {
                    end
                } else {
                    end.min(since + REFUSING)
                };
                before(end, now, GivenUp::Refused).map(|end| end.min(until))
            }
        }
    }

    fn longest(&self, once: bool) -> Duration {
        if once {
            self.bounds.once
        } else {
            self.bounds.call
        }
    }
}

fn before(end: Instant, now: Instant, otherwise: GivenUp) -> Result<Instant, GivenUp> {
    (now < end).then_some(end).ok_or(otherwise)
}

// === impl Waiting ===

impl Waiting {
    /// A call that begins to wait; `once` if daprd does not repeat it.
    pub fn new(once: bool, now: Instant) -> Self {
        Self {
            once,
            begun: now,
            refusing: None,
        }
    }
}
