//! What the instances of an app agree on by their Lease: who delivers events of which every instance
//! gets a copy, and that the app has to be asked anew.
//!
//! The leader's copy of an event is delivered; those of the others are answered when the leader is
//! known to have got its own.

mod follow;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::request::Parts;
use parking_lot::Mutex;
use proxy_core::{
    exclusive::{self, Beginning, Bindings},
    leader::{Candidate, Lease, Step, Verdict},
    learnt::Digest,
    route,
};
use tokio::{sync::watch, time::timeout};

pub use follow::follow;

use crate::{body::Lent, metrics::Metrics};

/// How much is kept of events while nobody knows which instance leads.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many at once.
    pub events: usize,
    /// So long each.
    pub event: Duration,
}

/// Which bindings are exclusive, and who leads.
#[derive(Debug)]
pub struct Exclusive {
    state: Mutex<State>,
    changes: watch::Sender<()>,
    /// The revision of the app that this instance began with, and what the app says since.
    revision: String,
    wishes: watch::Sender<Option<Digest>>,
    bounds: Bounds,
    metrics: Metrics,
}

#[derive(Debug)]
struct State {
    candidate: Candidate,
    bindings: Bindings,
    kept: usize,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes to the app from here.
    Delivered,
    /// The leader has its own copy.
    Dropped,
    /// Nobody knows; whoever sent it may repeat it.
    Unknown,
}

/// An event that is kept, counted until it is dropped.
struct Kept<'a>(&'a Exclusive);

// === impl Exclusive ===

impl Exclusive {
    /// No binding is exclusive yet. `name` is unlike that of all other instances, `revision` the one
    /// of the app that the instance began with.
    pub fn new(name: &str, revision: String, bounds: Bounds, metrics: Metrics) -> Arc<Self> {
        let state = State {
            candidate: Candidate::new(name),
            bindings: Bindings::default(),
            kept: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(()),
            revision,
            wishes: watch::Sender::new(None),
            bounds,
            metrics,
        })
    }

    /// Whether this instance leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.state.lock().candidate.leads()
    }

    /// The exclusive bindings, as far as they are known.
    pub fn bindings(&self) -> Bindings {
        self.state.lock().bindings.clone()
    }

    /// Says that daprd has to ask the app anew, which answers so by now.
    pub(crate) fn wish(&self, answers: Digest) {
        self.wishes
            .send_if_modified(|wish| wish.replace(answers) != Some(answers));
    }

    fn name(&self) -> String {
        self.state.lock().candidate.name().to_owned()
    }

    /// Takes note of what is exclusive, and of who leads.
    fn observe(&self, bindings: Bindings, lease: Lease) {
        let mut state = self.state.lock();
        state.bindings = bindings;
        let led = state.candidate.leads();
        state.candidate.observe(lease, Instant::now());
        let leads = state.candidate.leads();
        drop(state);
        if led != leads {
            tracing::info!(leads, "another instance leads now, or this one does");
            self.metrics.leading.set(leads.into());
        }
        self.changes.send_replace(());
    }

    fn next(&self, stays: bool) -> Step {
        let state = self.state.lock();
        let wants = stays && !state.bindings.is_empty();
        state.candidate.next(wants, Instant::now())
    }

    /// Whether what daprd sends is an event of an exclusive binding.
    pub(crate) async fn has(&self, parts: &Parts, body: &Lent) -> bool {
        let path = parts.uri.path();
        if self.state.lock().bindings.is_empty() || route::is_call(&parts.headers) {
            return false;
        }
        if !exclusive::is_grpc_event(path) {
            let bindings = &self.state.lock().bindings;
            return bindings.has_route(parts.method.as_str(), path);
        }
        self.is_of_binding(body).await
    }

    async fn is_of_binding(&self, body: &Lent) -> bool {
        loop {
            let begun = body.begun();
            match Beginning::read(&begun) {
                Beginning::Of(name) => return self.state.lock().bindings.has(name),
                Beginning::Unreadable => return false,
                Beginning::Short if !body.read_on().await => return false,
                Beginning::Short => {}
            }
        }
    }

    /// What becomes of an event that came just now, as soon as that is known.
    pub(crate) async fn fate(&self) -> Fate {
        let arrived = Instant::now();
        let mut changes = self.changes.subscribe();
        let Some(_kept) = Kept::new(self) else {
            return Fate::Unknown;
        };
        let known = async {
            loop {
                let verdict = self.state.lock().candidate.judge(arrived);
                match verdict {
                    Verdict::Deliver => return Fate::Delivered,
                    Verdict::Drop => return Fate::Dropped,
                    // The sender is part of self.
                    Verdict::Wait => drop(changes.changed().await),
                }
            }
        };
        let fate = timeout(self.bounds.event, known).await;
        let fate = fate.unwrap_or(Fate::Unknown);
        if fate == Fate::Dropped {
            self.metrics.left_to_leader.inc();
        }
        fate
    }
}

// === impl Kept ===

impl<'a> Kept<'a> {
    fn new(exclusive: &'a Exclusive) -> Option<Self> {
        let mut state = exclusive.state.lock();
        let fits = state.kept < exclusive.bounds.events;
        fits.then(|| {
            state.kept += 1;
            Self(exclusive)
        })
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.state.lock().kept -= 1;
    }
}
