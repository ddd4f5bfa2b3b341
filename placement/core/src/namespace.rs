//! One tenant: its streams, its hosts, and the rounds that spread the table.
//!
//! A round is LOCK, UPDATE, UNLOCK to every registered stream, each step begun when nobody is
//! missing in the one before (`pkg/placement/internal/loops/disseminator`). Where this differs
//! from Dapr, it does so on purpose:
//!
//! - An answer counts only for the version and step that is being waited for, and "nobody is
//!   missing" is asked again after every event, so a leaving stream can never stall a round.
//! - The budget runs for each stream from the first order it left unanswered. A round begun
//!   anew by somebody's report does not give a silent stream more time.
//! - Reports begin a round anew in LOCK only, and only in the first half of a budget; later ones
//!   wait for the next round. Constant change cannot keep a round from completing.
//! - A deadline is asked for, not armed: there is no timer that could fire for a finished round.
//! - A sidecar that is back on a new stream, with the same name and types, gets the table alone: no
//!   round spreads what everybody has.
//! - Joins and leaves that came during a round wait for others for half as long as it took, but
//!   not for longer than a quarter of a second: the longer rounds are, the fewer there are. What
//!   comes between rounds is never delayed.
//! - What a sidecar hears first on a stream sets free what an interrupted round of an earlier
//!   stream left blocked in it.
//! - A host whose pod is being deleted loses its actors while it can still answer for them: it is
//!   left out of the table before it goes, not because it is gone.
//! - Each change raises the version by one, even if several share a round, so that the version
//!   tells how many changes were made, whatever the timing.

mod members;
mod round;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use config::GoDuration;

use self::{members::Members, round::Round};
use crate::{
    host::{Host, Operation},
    hosts::Hosts,
    order::Order,
    stream::StreamId,
};

/// Monotonic time since any fixed moment.
pub type Now = Duration;

/// How patient rounds are.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a stream may leave a round unanswered (`--disseminate-timeout`).
    pub budget: Duration,
    /// The pause after a round, for joins and leaves to gather (`--disseminate-coalesce-window`);
    /// zero for one that depends on how long rounds take.
    pub window: Duration,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream was opened; `host` is its first message, which was authorised.
    Opened {
        /// The new stream.
        stream: StreamId,
        /// Its first message.
        host: Host,
    },
    /// A later message, which was authorised.
    Received {
        /// The stream it came on.
        stream: StreamId,
        /// The message.
        host: Host,
    },
    /// A stream is gone.
    Closed {
        /// The gone stream.
        stream: StreamId,
    },
    /// The pods at these addresses, and no others, are being deleted.
    Leaving {
        /// Where their sidecars are called.
        addresses: Arc<BTreeSet<IpAddr>>,
    },
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Put an order into the stream's outbox.
    Send {
        /// Where to.
        stream: StreamId,
        /// What.
        order: Order,
    },
    /// End a stream, which is forgotten already.
    Close {
        /// Which.
        stream: StreamId,
        /// Why.
        timeout: RoundTimeout,
    },
}

/// A stream left a round unanswered. The text is part of the contract with clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dissemination timeout after {budget} for version {version}")]
pub struct RoundTimeout {
    budget: GoDuration,
    version: u64,
}

/// The figures of the two gauges of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Registered streams.
    pub runtimes: usize,
    /// Registered streams whose first message named types; `None` before there was any.
    pub actor_runtimes: Option<usize>,
}

/// The state of one namespace. See the module's text.
#[derive(Debug)]
pub struct Namespace {
    settings: Settings,
    version: u64,
    round: Option<Round>,
    members: Members,
    /// First messages of streams that opened during a round or a window, in order of arrival.
    waiting: BTreeMap<StreamId, Host>,
    hosts: Hosts,
    /// Streams that are gone, whose hosts stay in the table until the next round.
    departed: Vec<StreamId>,
    /// Changes of the table that no round has spread yet.
    changes: u64,
    window_ends: Option<Now>,
    reunion: Option<Reunion>,
    commands: Vec<Command>,
}

/// The wait of a new leader for the hosts that the one before it served.
#[derive(Debug)]
struct Reunion {
    /// None if nobody knows whom it served.
    missing: Option<BTreeSet<String>>,
    ends: Now,
}

// === impl Reunion ===

impl Reunion {
    /// Whether this host was the last that was waited for.
    fn ends_with(&mut self, host: &Host) -> bool {
        self.missing.as_mut().is_some_and(|missing| {
            missing.remove(&host.name);
            missing.is_empty()
        })
    }
}

// === impl Namespace ===

impl Namespace {
    /// A namespace without streams, at version 0.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            version: 0,
            round: None,
            members: Members::default(),
            waiting: BTreeMap::new(),
            hosts: Hosts::default(),
            departed: Vec::new(),
            changes: 0,
            window_ends: None,
            reunion: None,
            commands: Vec::new(),
        }
    }

    /// The same, of a new leader: the first round waits until all hosts of these names are back,
    /// but no longer than until `ends`. Else the first to be back would be given all actors, and
    /// give them up again as the others come.
    pub fn reuniting(settings: Settings, names: BTreeSet<String>, ends: Now) -> Self {
        let reunion = (!names.is_empty()).then_some(Reunion {
            missing: Some(names),
            ends,
        });
        Self {
            reunion,
            ..Self::new(settings)
        }
    }

    /// The same, of a new leader that does not know whom the one before it served: the first round
    /// waits until `ends`.
    pub fn gathering(settings: Settings, ends: Now) -> Self {
        let missing = None;
        Self {
            reunion: Some(Reunion { missing, ends }),
            ..Self::new(settings)
        }
    }

    /// Takes in one event. The commands must be carried out before the next call, because an
    /// UPDATE means the table as it is now.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Command> {
        match event {
            Event::Opened { stream, host } => self.open(stream, host),
            Event::Received { stream, host } => self.receive(stream, host),
            Event::Closed { stream } => self.close(stream),
            Event::Leaving { addresses } => self.changes += u64::from(self.hosts.leave(addresses)),
        }
        self.advance(now);
        std::mem::take(&mut self.commands)
    }

    /// To be called when no event is at hand, after [`Namespace::tick`] as well: one LOCK then
    /// stands for all reports since the last call.
    pub fn settle(&mut self, now: Now) -> Vec<Command> {
        if self.begins_anew(now) {
            self.start(now);
        } else {
            self.advance(now);
        }
        std::mem::take(&mut self.commands)
    }

    /// To be called when [`Namespace::deadline`] is reached; harmless at any other time.
    pub fn tick(&mut self, now: Now) -> Vec<Command> {
        if self.window_ends.is_some_and(|ends| ends <= now) {
            self.window_ends = None;
        }
        if self.reunion.as_ref().is_some_and(|wait| wait.ends <= now) {
            self.reunion = None;
        }
        self.expel_overdue(now);
        self.advance(now);
        std::mem::take(&mut self.commands)
    }

    /// When [`Namespace::tick`] must be called, if nothing else happens before.
    pub fn deadline(&self) -> Option<Now> {
        let round = self.round.as_ref().map(|round| round.expires);
        let reunion = self.reunion.as_ref().map(|reunion| reunion.ends);
        let deadlines = [round, self.window_ends, reunion];
        deadlines.into_iter().flatten().min()
    }

    /// The hosts and their table.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The version of the last round begun; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether a stream takes part in rounds; one that waits does not yet.
    pub fn is_registered(&self, stream: StreamId) -> bool {
        self.members.contains(stream)
    }

    /// The figures of the gauges.
    pub fn counts(&self) -> Counts {
        self.members.counts()
    }

    fn open(&mut self, stream: StreamId, host: Host) {
        if self.reunion.as_mut().is_some_and(|it| it.ends_with(&host)) {
            self.reunion = None;
        }
        self.waiting.insert(stream, host);
    }

    fn receive(&mut self, stream: StreamId, host: Host) {
        let outdated = host.version.is_some_and(|version| version < self.version);
        if outdated || !self.members.contains(stream) {
            return;
        }
        match (host.operation, self.round.as_ref().map(Round::step)) {
            (Operation::Report, _) | (Operation::Unknown, None) => self.report(stream, host),
            (Operation::Unknown, Some(_)) => self.acknowledge(stream),
            (answer, Some(step)) if step.is_answered_by(answer) => self.answer(stream, &host),
            _ => {}
        }
    }

    fn report(&mut self, stream: StreamId, host: Host) {
        let asks = host.operation == Operation::Report;
        if self.hosts.report(stream, host) {
            self.changes += 1;
        } else if asks && self.round.is_none() && !self.hosts.contains(stream) {
            self.push(stream);
        }
    }

    fn answer(&mut self, stream: StreamId, host: &Host) {
        if host.version.is_none_or(|version| version == self.version) {
            self.acknowledge(stream);
        }
    }

    fn close(&mut self, stream: StreamId) {
        self.waiting.remove(&stream);
        self.members.remove(stream);
        if self.hosts.contains(stream) {
            self.departed.push(stream);
        }
    }
}
