//! Rounds: how they begin, go on, complete and expire.

use std::time::Duration;

use super::{Command, Namespace, Now, RoundTimeout};
use crate::{
    host::{Host, Operation},
    order::{Order, Step},
    stream::StreamId,
};

/// The round being run.
#[derive(Debug)]
pub(super) struct Round {
    step: Step,
    /// When the first LOCK was sent; a round begun anew keeps it.
    began: Now,
    /// No member's budget ends before; the first to end may end later.
    pub(super) expires: Now,
}

/// How long joins and leaves are gathered at most where no window is set.
const LONGEST_GATHERING: Duration = Duration::from_millis(250);

// === impl Round ===

impl Round {
    pub(super) fn step(&self) -> Step {
        self.step
    }
}

// === impl Namespace ===

impl Namespace {
    pub(super) fn acknowledge(&mut self, stream: StreamId) {
        self.members.answer(stream);
    }

    /// Goes on as far as nobody is being waited for.
    pub(super) fn advance(&mut self, now: Now) {
        while self.members.missing() == 0 && !self.begins_anew(now) {
            let Some(round) = &mut self.round else { break };
            match round.step.next() {
                Some(step) => {
                    round.step = step;
                    self.members.await_all();
                    self.send_all(step);
                }
                None => self.complete(now),
            }
        }
        if self.round.is_none() && self.is_due() {
            self.start(now);
        }
    }

    /// Whether reports that came in LOCK are worth a second LOCK: no table was sent yet, so it
    /// is cheap. The limit keeps constant reports from putting the table off for ever.
    pub(super) fn begins_anew(&self, now: Now) -> bool {
        let early = |round: &Round| {
            round.step == Step::Lock && now.saturating_sub(round.began) < self.settings.budget / 2
        };
        self.changes > 0 && self.round.as_ref().is_some_and(early)
    }

    /// Reports do not wait for the window; joins and leaves do. While a reunion lasts nobody is
    /// registered, so nobody can report.
    fn is_due(&self) -> bool {
        let queued = !self.waiting.is_empty() || !self.departed.is_empty();
        let waits = self.window_ends.is_some() || self.reunion.is_some();
        self.changes > 0 || (queued && !waits)
    }

    fn complete(&mut self, now: Now) {
        let began = self.round.take().map_or(now, |round| round.began);
        let window = self.window(now.saturating_sub(began));
        if !window.is_zero() && !self.members.is_empty() {
            self.window_ends = Some(now.saturating_add(window));
        }
    }

    /// How long to gather joins and leaves after a round that took so long. Where no window is
    /// set, only those that came during a round wait for more, for half as long as it took.
    fn window(&self, round: Duration) -> Duration {
        let set = self.settings.window;
        if !set.is_zero() {
            return set;
        }
        let is_host = |host: &Host| !host.entities.is_empty();
        if self.departed.is_empty() && !self.waiting.values().any(is_host) {
            return Duration::ZERO;
        }
        (round / 2).min(LONGEST_GATHERING)
    }

    /// Takes in all who came and left; a round follows if that changed the table, else only
    /// those who came get it.
    pub(super) fn start(&mut self, now: Now) {
        self.window_ends = None;
        let spread = (self.changes == 0).then(|| self.hosts.table().content());
        self.bury_departed();
        let newcomers = self.admit_waiting();
        if spread == Some(self.hosts.table().content()) {
            // Whoever left is back under the same name: what everybody has is still true.
            self.changes = 0;
        }
        if self.members.is_empty() {
            self.round = None;
            self.changes = 0;
        } else if self.changes > 0 {
            self.begin(now);
        } else {
            for stream in newcomers {
                self.push(stream);
            }
        }
    }

    fn bury_departed(&mut self) {
        for stream in std::mem::take(&mut self.departed) {
            self.changes += u64::from(self.hosts.remove(stream));
        }
    }

    fn admit_waiting(&mut self) -> Vec<StreamId> {
        let waiting = std::mem::take(&mut self.waiting);
        let newcomers = waiting.keys().copied().collect();
        for (stream, host) in waiting {
            if host.operation == Operation::Report {
                self.introduce(stream);
            }
            self.members.insert(stream, !host.entities.is_empty());
            self.changes += u64::from(self.hosts.report(stream, host));
        }
        newcomers
    }

    /// Makes a sidecar see a change of every type, so that the next UNLOCK releases them all.
    ///
    /// One whose stream ended between UPDATE and UNLOCK keeps the types blocked that had changed,
    /// and after its return forgets that it has to release them (daprd 1.18,
    /// `pkg/actors/internal/placement/loops/disseminator`). If the table is the same as before,
    /// calls of these types would wait for ever. While a sidecar has had no UPDATE all calls wait
    /// anyway, so this holds up none; whatever it answers is older than the next round.
    fn introduce(&mut self, stream: StreamId) {
        self.send(stream, &[Step::Lock, Step::Preview]);
    }

    fn begin(&mut self, now: Now) {
        self.version += std::mem::take(&mut self.changes);
        let began = self.round.as_ref().map_or(now, |round| round.began);
        self.members.lock(now);
        let asked = self.members.longest_asked().unwrap_or(now);
        let expires = asked.saturating_add(self.settings.budget);
        self.round = Some(Round {
            step: Step::Lock,
            began,
            expires,
        });
        self.send_all(Step::Lock);
    }

    fn send_all(&mut self, step: Step) {
        let order = Order {
            step,
            version: self.version,
        };
        let orders = self
            .members
            .streams()
            .map(|stream| Command::Send { stream, order });
        self.commands.extend(orders);
    }

    /// Gives the current table to one stream, outside any round; its answers are not waited for.
    pub(super) fn push(&mut self, stream: StreamId) {
        self.send(stream, &[Step::Lock, Step::Update, Step::Unlock]);
    }

    fn send(&mut self, stream: StreamId, steps: &[Step]) {
        let version = self.version;
        let orders = steps.iter().map(|step| Command::Send {
            stream,
            order: Order {
                step: *step,
                version,
            },
        });
        self.commands.extend(orders);
    }

    /// Drops the members whose budget is over. The others go through a round without them.
    pub(super) fn expel_overdue(&mut self, now: Now) {
        let Some(round) = &mut self.round else { return };
        if now < round.expires {
            return;
        }
        let budget = self.settings.budget;
        let silent = now
            .checked_sub(budget)
            .map(|since| self.members.silent_since(since));
        let silent = silent.unwrap_or_default();
        if silent.is_empty() {
            let asked = self.members.longest_asked().unwrap_or(now);
            round.expires = asked.saturating_add(budget);
            return;
        }
        for stream in silent {
            self.expel(stream);
        }
        self.round = None;
        self.changes = self.changes.max(1);
        self.start(now);
    }

    fn expel(&mut self, stream: StreamId) {
        let timeout = RoundTimeout {
            budget: self.settings.budget.into(),
            version: self.version,
        };
        self.commands.push(Command::Close { stream, timeout });
        self.members.remove(stream);
        self.changes += u64::from(self.hosts.remove(stream));
    }
}
