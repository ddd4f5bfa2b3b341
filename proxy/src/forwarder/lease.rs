//! What a call occupies while it runs, moves or waits; given back when it is dropped, also by a
//! caller that went away.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use proxy_core::{
    actors::Turn,
    patience::{GivenUp, Reason, Waiting},
};
use tokio::{sync::watch, time::sleep_until};

use super::Forwarder;
use crate::metrics::{Counted, Side};

/// A call that runs at an endpoint.
pub(super) struct Lease {
    pub(super) forwarder: Arc<Forwarder>,
    pub(super) address: SocketAddr,
    pub(super) actor: Option<(u64, Turn)>,
    _running: Counted,
}

/// An actor that is being handed over.
pub(super) struct Moving {
    pub(super) forwarder: Arc<Forwarder>,
    pub(super) actor: u64,
    /// Where it is then; nothing until the old endpoint was told.
    pub(super) to: Option<SocketAddr>,
}

/// A call that waits.
pub(super) struct Held {
    forwarder: Arc<Forwarder>,
    waiting: Waiting,
    changes: watch::Receiver<()>,
    _pending: Counted,
}

// === impl Lease ===

impl Lease {
    pub(super) fn new(
        forwarder: &Arc<Forwarder>,
        address: SocketAddr,
        actor: Option<(u64, Turn)>,
    ) -> Self {
        Self {
            forwarder: forwarder.clone(),
            address,
            actor,
            _running: Counted::new(forwarder.metrics.in_flight(Side::App)),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.forwarder.state.lock();
        state.pool.end(self.address);
        let idle = self
            .actor
            .is_some_and(|(actor, turn)| state.actors.done(actor, turn));
        // Who begins to wait only now asks again before he does.
        let wake = idle && state.holding.held() > 0;
        drop(state);
        if wake {
            self.forwarder.changes.send_replace(());
        }
    }
}

// === impl Moving ===

impl Drop for Moving {
    fn drop(&mut self) {
        self.forwarder
            .state
            .lock()
            .actors
            .moved(self.actor, self.to);
        self.forwarder.changes.send_replace(());
    }
}

// === impl Held ===

impl Held {
    /// # Errors
    /// If as many calls are held as may be.
    pub(super) fn new(forwarder: &Arc<Forwarder>, once: bool) -> Result<Self, GivenUp> {
        forwarder.state.lock().holding.enter(once)?;
        forwarder.metrics.held.inc();
        Ok(Self {
            forwarder: forwarder.clone(),
            waiting: Waiting::new(once, Instant::now()),
            changes: forwarder.changes.subscribe(),
            _pending: Counted::new(forwarder.metrics.pending.clone()),
        })
    }

    /// Waits until something changed since the last time, or until it is time to try again.
    ///
    /// # Errors
    /// If it has waited as long as it may.
    pub(super) async fn wait(&mut self, reason: Reason) -> Result<(), GivenUp> {
        let now = Instant::now();
        let until = {
            let state = self.forwarder.state.lock();
            state.holding.wait(&mut self.waiting, reason, now)?
        };
        tokio::select! {
            // The sender is part of the forwarder, which this holds.
            _ = self.changes.changed() => {}
            () = sleep_until(until.into()) => {}
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.forwarder.state.lock().holding.leave();
    }
}
