//! The namespace of one leader after another, and everything that happens to it, in an order that
//! a seed decides.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use placement_core::{Command, Event, Host, Namespace, Settings, Step, StreamId};

use crate::sidecar::{Frame, Ring, Sidecar, type_names};

/// What a stream may leave unanswered.
pub(crate) const BUDGET: Duration = Duration::from_secs(4);
/// The longest way of a message, one way. Three steps there and back, twice (a round begun anew
/// late), stay within a budget.
pub(crate) const LATENCY: u64 = 150;
/// How long a new leader waits for the hosts of the last.
const REUNION: Duration = Duration::from_secs(2);
/// The longest way back of a sidecar to a new leader.
const WAY_BACK: u64 = 750;

/// What is done to the world. A number picks one of those there are.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Join {
        explicit: bool,
        types: u8,
    },
    Leave(u64),
    Report(u64, u8),
    Freeze(u64),
    /// The pod of a sidecar is being deleted; the sidecar goes on for now.
    Delete(u64),
    /// A sidecar is back on a new stream before the old one is known to be gone.
    Reconnect(u64),
    /// Another replica leads.
    Elect,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    Act(usize),
    Arrive(StreamId),
    Deliver(StreamId),
    Close(StreamId),
    Return {
        name: String,
        explicit: bool,
        types: u8,
    },
    Settle,
    Deadline,
}

pub(crate) struct World {
    settings: Settings,
    namespace: Namespace,
    /// Addresses of pods that are being deleted.
    deleted: BTreeSet<IpAddr>,
    pub(crate) now: Duration,
    /// Whom the leader waits for, if it knows, and until when.
    awaited: (Option<BTreeSet<String>>, Duration),
    /// Streams that the server takes to be open; without any it forgets the namespace.
    served: BTreeSet<StreamId>,
    queue: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    sidecars: BTreeMap<StreamId, Sidecar>,
    names: u64,
    random: u64,
    serial: u64,
}

impl World {
    pub(crate) fn new(window: Duration, seed: u64) -> Self {
        let settings = Settings {
            budget: BUDGET,
            window,
        };
        Self {
            settings,
            namespace: Namespace::new(settings),
            deleted: BTreeSet::new(),
            awaited: Default::default(),
            served: BTreeSet::new(),
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            sidecars: BTreeMap::new(),
            names: 0,
            random: seed | 1,
            serial: 0,
        }
    }

    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn at(&mut self, time: Duration, happening: Happening) {
        self.serial += 1;
        self.queue.push(Reverse((time, self.serial, happening)));
    }

    fn soon(&mut self) -> Duration {
        self.now + Duration::from_millis(1 + self.draw(LATENCY))
    }

    pub(crate) fn run(&mut self, acts: &[(u64, Act)]) {
        let mut time = Duration::ZERO;
        for (index, (pause, _)) in acts.iter().enumerate() {
            time += Duration::from_millis(*pause);
            self.at(time, Happening::Act(index));
        }
        let end = self.now.max(time) + BUDGET * 6 + REUNION;
        while let Some(happening) = self.next() {
            assert!(self.now <= end, "no rest after {end:?}");
            match happening {
                Happening::Deadline => {
                    let commands = self.namespace.tick(self.now);
                    self.carry_out(commands);
                    self.settle();
                }
                Happening::Act(index) => self.act(&acts[index].1),
                Happening::Arrive(stream) => self.arrive(stream),
                Happening::Deliver(stream) => self.deliver(stream),
                Happening::Close(stream) => self.closed(stream),
                Happening::Return {
                    name,
                    explicit,
                    types,
                } => self.join(name, explicit, types),
                Happening::Settle => self.settle(),
            }
            self.check_silence();
        }
    }

    /// The next thing to happen, with the clock set to it.
    fn next(&mut self) -> Option<Happening> {
        let queued = self.queue.peek().map(|Reverse((time, ..))| *time);
        let deadline = self.namespace.deadline();
        let time = [queued, deadline].into_iter().flatten().min()?;
        self.now = self.now.max(time);
        if deadline.is_some_and(|deadline| deadline <= time) {
            return Some(Happening::Deadline);
        }
        self.queue.pop().map(|Reverse((.., happening))| happening)
    }

    pub(crate) fn is_registered(&self, stream: StreamId) -> bool {
        self.namespace.is_registered(stream)
    }

    fn event(&mut self, event: Event) {
        let before = self.namespace.version();
        let commands = self.namespace.handle(self.now, event);
        self.carry_out(commands);
        assert!(self.namespace.version() >= before, "a version went back");
        // Sometimes more is at hand before the shell finds its mailbox empty.
        if self.draw(2) == 0 {
            self.settle();
        } else {
            self.at(self.now + Duration::from_millis(2), Happening::Settle);
        }
    }

    fn settle(&mut self) {
        let commands = self.namespace.settle(self.now);
        self.carry_out(commands);
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Join { explicit, types } => {
                self.names += 1;
                let [.., high, low] = self.names.to_be_bytes();
                self.join(format!("10.0.{high}.{low}:50002"), explicit, types);
            }
            Act::Leave(number) => {
                if let Some(stream) = self.pick(number) {
                    self.leave(stream);
                }
            }
            Act::Report(number, types) => {
                if let Some(stream) = self.pick(number) {
                    self.report(stream, types);
                }
            }
            Act::Freeze(number) => {
                if let Some(stream) = self.pick(number) {
                    self.sidecar(stream).frozen = true;
                }
            }
            Act::Delete(number) => {
                if let Some(stream) = self.pick(number) {
                    let address = self.sidecar(stream).address();
                    self.deleted.insert(address);
                    self.tell_deleted();
                }
            }
            Act::Reconnect(number) => {
                if let Some(stream) = self.pick(number) {
                    self.reconnect(stream);
                }
            }
            Act::Elect => self.elect(),
        }
    }

    fn pick(&self, number: u64) -> Option<StreamId> {
        let open = self
            .sidecars
            .iter()
            .filter(|(_, sidecar)| sidecar.open && !sidecar.frozen);
        let open: Vec<_> = open.map(|(stream, _)| *stream).collect();
        let index = number.checked_rem(open.len() as u64)?;
        open.get(usize::try_from(index).ok()?).copied()
    }

    /// The old leader is gone with all streams, and what was on its way on them. The new one knows
    /// by name whom it served, or nothing if it was started anew; those that live come back.
    fn elect(&mut self) {
        let known = self.namespace.hosts().iter().map(|host| host.name.clone());
        let known: BTreeSet<_> = known.collect();
        let ends = self.now + REUNION;
        let remembers = self.draw(4) > 0;
        self.namespace = if remembers {
            Namespace::reuniting(self.settings, known.clone(), ends)
        } else {
            Namespace::gathering(self.settings, ends)
        };
        self.awaited = (remembers.then_some(known), ends);
        self.served.clear();
        self.tell_deleted();
        let streams: Vec<_> = self.sidecars.keys().copied().collect();
        for stream in streams {
            let sidecar = self.sidecar(stream);
            let lives = std::mem::take(&mut sidecar.open) && !sidecar.frozen;
            let returns = sidecar.returns();
            if lives {
                let back = self.now + Duration::from_millis(1 + self.draw(WAY_BACK));
                self.at(back, returns);
            }
        }
    }

    fn tell_deleted(&mut self) {
        let addresses = Arc::new(self.deleted.clone());
        self.event(Event::Leaving { addresses });
    }

    fn reconnect(&mut self, stream: StreamId) {
        let sidecar = self.sidecar(stream);
        sidecar.open = false;
        let returns = sidecar.returns();
        let (back, noticed) = (self.soon(), self.soon());
        self.at(back, returns);
        self.at(noticed, Happening::Close(stream));
    }

    pub(crate) fn sidecar(&mut self, stream: StreamId) -> &mut Sidecar {
        self.sidecars
            .get_mut(&stream)
            .expect("streams are never forgotten here")
    }

    fn join(&mut self, name: String, explicit: bool, types: u8) {
        let stream = StreamId(self.sidecars.len() as u64);
        let before = self.sidecars.values().rfind(|it| it.name == name);
        let rings = before.map(|before| before.rings.clone());
        let sidecar = Sidecar {
            rings: rings.unwrap_or_default(),
            ..Sidecar::new(name, explicit, types, self.now)
        };
        let host = sidecar.host();
        self.sidecars.insert(stream, sidecar);
        self.served.insert(stream);
        self.event(Event::Opened { stream, host });
    }

    fn leave(&mut self, stream: StreamId) {
        self.sidecar(stream).open = false;
        self.closed(stream);
    }

    /// The server notices that a stream is gone.
    fn closed(&mut self, stream: StreamId) {
        self.event(Event::Closed { stream });
        if self.served.remove(&stream) && self.served.is_empty() {
            self.namespace = Namespace::new(self.settings);
            self.awaited = Default::default();
            self.tell_deleted();
        }
    }

    /// Only clients that say so can report at any time.
    fn report(&mut self, stream: StreamId, types: u8) {
        if self.sidecar(stream).explicit {
            self.sidecar(stream).types = types;
            let host = self.sidecar(stream).host();
            self.say(stream, host);
        }
    }

    fn say(&mut self, stream: StreamId, host: Host) {
        let soon = self.soon();
        self.sidecar(stream).sent.push_back(host);
        self.at(soon, Happening::Arrive(stream));
    }

    /// A stream keeps the order of its messages, and is not read before it is registered.
    fn arrive(&mut self, stream: StreamId) {
        if !self.sidecar(stream).open {
            return;
        }
        if !self.namespace.is_registered(stream) {
            self.at(
                self.now + Duration::from_millis(1),
                Happening::Arrive(stream),
            );
        } else if let Some(host) = self.sidecar(stream).sent.pop_front() {
            // Said before it froze, but an answer: its budget runs from the next LOCK.
            self.sidecar(stream).asked = None;
            self.event(Event::Received { stream, host });
        }
    }

    fn deliver(&mut self, stream: StreamId) {
        let sidecar = self.sidecar(stream);
        if !sidecar.open || sidecar.frozen {
            return;
        }
        let Some(frame) = sidecar.outbox.pop() else {
            return;
        };
        let explicit = sidecar.explicit;
        if let Some(answer) = sidecar.obey(frame) {
            // An answer that says what it answers may come twice.
            if explicit && self.draw(8) == 0 {
                self.say(stream, answer.clone());
            }
            self.say(stream, answer);
        }
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        let ring = self.ring();
        let pushed: BTreeSet<_> = commands
            .iter()
            .filter_map(|c| sent(c, Step::Unlock))
            .collect();
        let locked: BTreeSet<_> = commands
            .iter()
            .filter_map(|c| sent(c, Step::Lock))
            .collect();
        for command in commands {
            match command {
                Command::Send { stream, order } => {
                    let push = pushed.contains(&stream) && locked.contains(&stream);
                    self.send(
                        stream,
                        Frame {
                            order,
                            ring: ring.clone(),
                        },
                        push,
                    );
                }
                Command::Close { stream, .. } => self.dropped(stream),
            }
        }
    }

    fn send(&mut self, stream: StreamId, frame: Frame, push: bool) {
        if frame.order.step == Step::Unlock && !push {
            self.check_all_updated(frame.order.version);
        }
        if matches!(frame.order.step, Step::Preview | Step::Update) {
            self.check_reunited();
        }
        let (now, soon) = (self.now, self.soon());
        let sidecar = self.sidecar(stream);
        if sidecar.frozen && !push && frame.order.step == Step::Lock {
            sidecar.asked.get_or_insert(now);
        }
        sidecar.outbox.push(frame.order, frame);
        self.at(soon, Happening::Deliver(stream));
    }

    fn dropped(&mut self, stream: StreamId) {
        let sidecar = self.sidecar(stream);
        assert!(sidecar.frozen, "{stream:?} answered and was dropped");
        sidecar.open = false;
        self.closed(stream);
    }

    /// The table as the namespace would send it now.
    fn ring(&self) -> Ring {
        let types = self.namespace.hosts().table().types();
        let names =
            types.map(|(kind, hosts)| (kind.into(), hosts.map(|a| a.name.clone()).collect()));
        names.collect()
    }

    /// One owner per actor: nobody is let loose before everybody has the table.
    fn check_all_updated(&self, version: u64) {
        for (stream, sidecar) in self.registered().filter(|(_, sidecar)| sidecar.explicit) {
            assert_eq!(
                sidecar.updated,
                Some(version),
                "{stream:?} has not got the table"
            );
        }
    }

    /// A table goes out when all that were there before are back, or had their time.
    fn check_reunited(&self) {
        let (names, ends) = &self.awaited;
        let back = |name: &String| {
            self.sidecars
                .values()
                .any(|it| it.name == *name && it.since >= ends.saturating_sub(REUNION))
        };
        let all = names.as_ref().is_some_and(|names| names.iter().all(back));
        assert!(self.now >= *ends || all, "a table without those expected");
    }

    fn registered(&self) -> impl Iterator<Item = (&StreamId, &Sidecar)> {
        self.sidecars
            .iter()
            .filter(|(stream, _)| self.namespace.is_registered(**stream))
    }

    /// No frozen stream holds the others longer than its budget.
    fn check_silence(&self) {
        for (stream, sidecar) in self.registered() {
            let waited = sidecar
                .asked
                .map_or(Duration::ZERO, |asked| self.now.saturating_sub(asked));
            assert!(
                waited <= BUDGET,
                "{stream:?} was waited for during {waited:?}"
            );
        }
    }

    /// All open streams; of those that are being deleted only where there are no others.
    fn expected(&self) -> Ring {
        let (mut staying, mut leaving) = (Ring::new(), Ring::new());
        for sidecar in self.sidecars.values().filter(|sidecar| sidecar.open) {
            let deleted = self.deleted.contains(&sidecar.address());
            let ring = if deleted { &mut leaving } else { &mut staying };
            for kind in type_names(sidecar.types) {
                ring.entry(kind).or_default().insert(sidecar.name.clone());
            }
        }
        leaving.into_iter().chain(staying).collect()
    }

    pub(crate) fn check_rest(&self) {
        let expected = self.expected();
        assert_eq!(
            self.ring(),
            expected,
            "the table is not that of the open streams"
        );
        let live = self
            .sidecars
            .iter()
            .filter(|(_, sidecar)| sidecar.open && !sidecar.frozen);
        for (stream, sidecar) in live {
            assert_eq!(sidecar.rings.ring, expected, "{stream:?} has another table");
            let held = |kind: &String| sidecar.explicit && sidecar.rings.blocked.contains(kind);
            assert!(
                !expected.keys().any(held),
                "{stream:?} holds calls back for ever"
            );
            assert_eq!(
                sidecar.unlocked,
                Some(self.namespace.version()),
                "{stream:?} is locked"
            );
        }
    }
}

fn sent(command: &Command, step: Step) -> Option<StreamId> {
    match command {
        Command::Send { stream, order } if order.step == step => Some(*stream),
        _ => None,
    }
}
