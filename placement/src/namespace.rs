//! The task of one namespace: feeds the core with what the streams say, and carries out what it
//! decides.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use placement_core::{
    Command, Event, MESSAGE_LIMIT, Namespace, Now, Order, StateTable, Step, StreamId,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tonic::Status;

use crate::{
    line::Line,
    namespaces::{Config, Message, Namespaces},
    wire::Frames,
};

pub(crate) struct Task {
    name: String,
    namespaces: Namespaces,
    messages: mpsc::UnboundedReceiver<Message>,
    lines: HashMap<StreamId, Arc<Line>>,
    core: Namespace,
    frames: Slots,
    started: Instant,
    stopped: bool,
}

/// The bytes of the last order of each step: made once, shared by all streams. With the version
/// and the revision of the hosts that they were made for.
type Slots = [Option<(u64, u64, Frames)>; 4];

/// How many messages are taken in before anything else is looked at.
const BATCH: usize = 256;

// === impl Task ===

impl Task {
    pub(crate) fn new(
        name: String,
        namespaces: Namespaces,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let core = Namespace::new(namespaces.config().settings);
        Self {
            name,
            namespaces,
            messages,
            lines: HashMap::new(),
            core,
            frames: Slots::default(),
            started: Instant::now(),
            stopped: false,
        }
    }

    /// The same task, which waits for these hosts before the first round; for any if it is not
    /// known for which.
    pub(crate) fn waiting(mut self, names: Option<BTreeSet<String>>, until: Instant) -> Self {
        let ends = until.saturating_duration_since(self.started);
        let settings = self.namespaces.config().settings;
        self.core = match names {
            Some(names) => Namespace::reuniting(settings, names, ends),
            None => Namespace::gathering(settings, ends),
        };
        self
    }

    /// Runs until the namespace has no stream left, or is stopped.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        while self.receive(&mut batch).await {
            let (counts, revision) = (self.core.counts(), self.core.hosts().revision());
            batch.drain(..).for_each(|message| self.take_in(message));
            self.rest();
            if self.core.counts() != counts {
                self.namespaces
                    .config()
                    .gauges
                    .count(&self.name, self.core.counts());
            }
            if self.core.hosts().revision() != revision {
                self.namespaces.revise();
            }
            if self.stopped || (self.lines.is_empty() && self.namespaces.retire(&self.name)) {
                return;
            }
        }
    }

    /// Waits for messages or the core's deadline; false when there is nobody to come.
    async fn receive(&mut self, batch: &mut Vec<Message>) -> bool {
        let messages = self.messages.recv_many(batch, BATCH);
        match self.core.deadline() {
            Some(deadline) => timeout_at(self.started + deadline, messages).await != Ok(0),
            None => messages.await != 0,
        }
    }

    fn now(&self) -> Now {
        self.started.elapsed()
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Opened { stream, host, line } => {
                self.lines.insert(stream, line);
                self.event(Event::Opened { stream, host });
            }
            Message::Received {
                stream,
                host,
                _credit,
            } => {
                self.event(Event::Received { stream, host });
            }
            Message::Closed { stream } => {
                self.lines.remove(&stream);
                self.event(Event::Closed { stream });
            }
            Message::Leaving(addresses) => self.event(Event::Leaving { addresses }),
            // Who asked may have gone.
            Message::State(answer) => drop(answer.send(StateTable::from(&self.core))),
            Message::Names(answer) => drop(answer.send(self.names())),
            Message::Stop(status) => self.stop(&status),
        }
    }

    fn event(&mut self, event: Event) {
        let commands = self.core.handle(self.now(), event);
        self.carry_out(commands);
    }

    /// What is done when no message is at hand. Answers that came in time were counted before.
    fn rest(&mut self) {
        let now = self.now();
        if self.core.deadline().is_some_and(|deadline| deadline <= now) {
            let commands = self.core.tick(now);
            self.carry_out(commands);
        }
        let commands = self.core.settle(now);
        self.carry_out(commands);
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Send { stream, order } => self.send(stream, order),
                Command::Close { stream, timeout } => {
                    tracing::warn!(namespace = self.name, "dropping a silent stream: {timeout}");
                    if let Some(line) = self.lines.remove(&stream) {
                        line.end(Status::deadline_exceeded(timeout.to_string()));
                    }
                }
            }
        }
    }

    fn send(&mut self, stream: StreamId, order: Order) {
        let Some(line) = self.lines.get(&stream) else {
            return;
        };
        let line = Arc::clone(line);
        let frame = self.frames(order).bytes(line.takes_gzip());
        line.send(order, frame);
    }

    fn frames(&mut self, order: Order) -> &Frames {
        let made_for = (order.version, self.core.hosts().revision());
        let slot = &mut self.frames[order.step as usize];
        let made = slot
            .take()
            .filter(|(version, revision, _)| (*version, *revision) == made_for);
        let (.., frames) = slot.insert(made.unwrap_or_else(|| {
            let config = self.namespaces.config();
            let frames = Frames::new(order, self.core.hosts().table(), config.replication_factor);
            if order.step == Step::Update {
                weigh(config, &self.name, frames.inflated());
            }
            (made_for.0, made_for.1, frames)
        }));
        frames
    }

    fn names(&self) -> BTreeSet<String> {
        self.core
            .hosts()
            .iter()
            .map(|host| host.name.clone())
            .collect()
    }

    fn stop(&mut self, status: &Status) {
        self.stopped = true;
        for (_, line) in self.lines.drain() {
            line.end(status.clone());
        }
    }
}

/// Sidecars drop a stream whose table is too big, and come back for the same.
fn weigh(config: &Config, namespace: &str, bytes: usize) {
    config.gauges.table(namespace, bytes);
    let limit = MESSAGE_LIMIT;
    match Fit::of(bytes) {
        Fit::Well => {}
        Fit::Barely => tracing::warn!(
            namespace,
            bytes,
            limit,
            "the table comes near what sidecars accept"
        ),
        Fit::Not => tracing::error!(
            namespace,
            bytes,
            limit,
            "the table is too big for any sidecar"
        ),
    }
}

/// How a table fits into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Well,
    /// There is room for a third more.
    Barely,
    Not,
}

// === impl Fit ===

impl Fit {
    fn of(bytes: usize) -> Self {
        if bytes > MESSAGE_LIMIT {
            Self::Not
        } else if bytes > MESSAGE_LIMIT / 4 * 3 {
            Self::Barely
        } else {
            Self::Well
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use placement_core::{Host, Settings};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{Gauges, Mandate};

    fn config() -> Config {
        let settings = Settings {
            budget: Duration::from_secs(8),
            window: Duration::ZERO,
        };
        Config {
            settings,
            replication_factor: 100,
            gauges: Gauges::default(),
            mandate: Mandate::forever(),
        }
    }

    #[test]
    fn tells_of_a_table_before_it_is_too_big() {
        let mebibyte = 1 << 20;
        let fits = [
            3 * mebibyte,
            3 * mebibyte + 1,
            4 * mebibyte,
            4 * mebibyte + 1,
        ]
        .map(Fit::of);
        assert_eq!(fits, [Fit::Well, Fit::Barely, Fit::Barely, Fit::Not]);
    }

    /// Weak point 5 of the original: it makes a table, and its bytes, for each stream.
    #[tokio::test]
    async fn all_streams_are_given_the_same_bytes() {
        let (namespaces, supervisor) = Namespaces::new(config());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(supervisor.run(CancellationToken::new()));
        let lines = [(); 2].map(|()| Arc::new(Line::new(true)));
        let join = |line| namespaces.join(Host::default(), Arc::clone(line));
        let _members = lines.each_ref().map(|line| join(line).unwrap());
        for step in ["lock", "update", "unlock"] {
            let next = async |line: &Line| poll_fn(|context| line.poll_frame(context)).await;
            let (one, other) = (next(&lines[0]).await, next(&lines[1]).await);
            assert_eq!(one.as_ptr(), other.as_ptr(), "{step}");
        }
    }
}
