//! Which endpoint has an actor in its memory, and when another may take it over.
//!
//! The owner of an actor is decided by rendezvous over the ready endpoints. When that answer
//! changes:
//!
//! 1. calls that run at the old endpoint end there; so do calls of the same turn, which reentrant
//!    actors make;
//! 2. other calls of the actor wait until then;
//! 3. the old endpoint, while it is still listed, is told to deactivate the actor, so that no
//!    stale memory is found there later;
//! 4. then the calls go to the new owner.
//!
//! daprd's own deactivation goes to where the actor is, not to who would own it now.

use std::{collections::HashMap, net::SocketAddr};

/// So many actors are remembered; at 40 bytes each that is less than 4 MiB.
const MOST: usize = 65_536;

/// The actors that were called, each by the [hash](crate::rendezvous::hash) of type and id.
#[derive(Debug)]
pub struct Actors {
    actors: HashMap<u64, Actor>,
    most: usize,
}

#[derive(Debug)]
struct Actor {
    at: SocketAddr,
    calls: u32,
    moving: bool,
}

/// How a call relates to what the actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It begins a turn of its own.
    New,
    /// It may be part of the turn that runs: daprd let it pass its lock on the actor.
    Reentrant,
    /// It ends the actor.
    Deactivation,
}

/// What to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it there; [`Actors::done`] when it ended.
    Go(SocketAddr),
    /// Ask again when a call of this actor has ended.
    Wait,
    /// Deactivate the actor there, then say [`Actors::moved`] and ask again.
    Move {
        /// The endpoint that has the actor.
        from: SocketAddr,
    },
}

// === impl Actors ===

impl Default for Actors {
    fn default() -> Self {
        Self::remembering(MOST)
    }
}

impl Actors {
    /// Remembers about `most` actors; beyond that those without calls are forgotten, and with
    /// them step 3.
    pub fn remembering(most: usize) -> Self {
        Self {
            actors: HashMap::new(),
            most,
        }
    }

    /// Decides on a call of `actor`, which belongs to `owner` now.
    pub fn admit(&mut self, actor: u64, owner: SocketAddr, turn: Turn) -> Admission {
        if self.actors.len() >= self.most && !self.actors.contains_key(&actor) {
            self.actors.retain(|_, actor| actor.is_busy());
        }
        let actor = self.actors.entry(actor).or_insert(Actor {
            at: owner,
            calls: 0,
            moving: false,
        });
        actor.admit(owner, turn)
    }

    /// A call that was let go has ended. True if the actor is idle now, so that waiting calls
    /// should ask again.
    pub fn done(&mut self, actor: u64, turn: Turn) -> bool {
        let Some(known) = self.actors.get_mut(&actor) else {
            return false;
        };
        known.calls = known.calls.saturating_sub(1);
        let idle = known.calls == 0;
        if idle && turn == Turn::Deactivation {
            self.actors.remove(&actor);
        }
        idle
    }

    /// The endpoint that had the actor was told, or could not be told, to give it up; with
    /// nothing the move was broken off and stays to be done.
    pub fn moved(&mut self, actor: u64, to: Option<SocketAddr>) {
        if let Some(known) = self.actors.get_mut(&actor) {
            known.moving = false;
            known.at = to.unwrap_or(known.at);
        }
    }

    /// Forgets idle actors of endpoints that are no longer listed: their memory is gone with them.
    pub fn keep(&mut self, listed: impl Fn(SocketAddr) -> bool) {
        self.actors
            .retain(|_, actor| actor.is_busy() || listed(actor.at));
    }
}

// === impl Actor ===

impl Actor {
    fn admit(&mut self, owner: SocketAddr, turn: Turn) -> Admission {
        let stays = self.at == owner
            || turn == Turn::Deactivation
            || (turn == Turn::Reentrant && self.calls > 0);
        if self.moving {
            Admission::Wait
        } else if stays {
            self.calls += 1;
            Admission::Go(self.at)
        } else if self.calls > 0 {
            Admission::Wait
        } else {
            self.moving = true;
            Admission::Move { from: self.at }
        }
    }

    fn is_busy(&self) -> bool {
        self.calls > 0 || self.moving
    }
}
