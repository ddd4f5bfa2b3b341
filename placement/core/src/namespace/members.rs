//! The registered streams of a namespace, and who has answered.

use std::collections::BTreeMap;

use super::{Counts, Now};
use crate::stream::StreamId;

/// The streams that take part in rounds.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_stream: BTreeMap<StreamId, Member>,
    missing: usize,
    actors: usize,
    actors_seen: bool,
}

#[derive(Debug)]
struct Member {
    /// Its first message named types. Frozen: later reports do not change it.
    actors: bool,
    /// The step being waited for was answered; always true between rounds.
    answered: bool,
    /// When the LOCK was sent that its budget runs from.
    asked: Now,
}

// === impl Members ===

impl Members {
    pub(super) fn contains(&self, stream: StreamId) -> bool {
        self.by_stream.contains_key(&stream)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_stream.is_empty()
    }

    /// How many have not answered the step.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.by_stream.keys().copied()
    }

    pub(super) fn counts(&self) -> Counts {
        let actor_runtimes = self.actors_seen.then_some(self.actors);
        Counts {
            runtimes: self.by_stream.len(),
            actor_runtimes,
        }
    }

    pub(super) fn insert(&mut self, stream: StreamId, actors: bool) {
        self.by_stream.insert(
            stream,
            Member {
                actors,
                answered: true,
                asked: Now::ZERO,
            },
        );
        self.actors += usize::from(actors);
        self.actors_seen |= actors;
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        let Some(member) = self.by_stream.remove(&stream) else {
            return;
        };
        self.missing -= usize::from(!member.answered);
        self.actors -= usize::from(member.actors);
        // The last stream of a namespace leaves both gauges at 0, whatever it was.
        self.actors_seen |= self.by_stream.is_empty();
    }

    pub(super) fn answer(&mut self, stream: StreamId) {
        if let Some(member) = self.by_stream.get_mut(&stream) {
            self.missing -= usize::from(!member.answered);
            member.answered = true;
        }
    }

    /// A round begins: the clock starts for everybody who owes nothing from before.
    pub(super) fn lock(&mut self, now: Now) {
        for member in self.by_stream.values_mut().filter(|member| member.answered) {
            member.asked = now;
        }
        self.await_all();
    }

    /// A step begins: everybody must answer again.
    pub(super) fn await_all(&mut self) {
        self.by_stream
            .values_mut()
            .for_each(|member| member.answered = false);
        self.missing = self.by_stream.len();
    }

    /// When the one was asked that has left its LOCK unanswered for longest.
    pub(super) fn longest_asked(&self) -> Option<Now> {
        self.unanswered().map(|(_, member)| member.asked).min()
    }

    /// The members that were asked at `asked` or before and have not answered.
    pub(super) fn silent_since(&self, asked: Now) -> Vec<StreamId> {
        let silent = self
            .unanswered()
            .filter(|(_, member)| member.asked <= asked);
        silent.map(|(stream, _)| *stream).collect()
    }

    fn unanswered(&self) -> impl Iterator<Item = (&StreamId, &Member)> {
        self.by_stream.iter().filter(|(_, member)| !member.answered)
    }
}
