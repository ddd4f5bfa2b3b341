//! A namespace that is told things one by one.

use std::time::Duration;

use placement_core::{
    Command, Event, Host, Namespace, Operation, Settings, StateTable, Step, StreamId,
};

/// What a stream may leave unanswered.
pub(crate) const BUDGET: Duration = Duration::from_secs(8);
/// Next to no time.
pub(crate) const INSTANT: Duration = Duration::from_millis(1);

/// A namespace and its clock; every call returns what was sent, as `stream:order version`.
pub(crate) struct Script {
    pub(crate) namespace: Namespace,
    pub(crate) now: Duration,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with_window(Duration::ZERO)
    }

    pub(crate) fn with_window(window: Duration) -> Self {
        let namespace = Namespace::new(Settings {
            budget: BUDGET,
            window,
        });
        Self {
            namespace,
            now: Duration::from_secs(1000),
        }
    }

    pub(crate) fn event(&mut self, event: Event) -> String {
        told(&without_introductions(self.commands(event)))
    }

    pub(crate) fn commands(&mut self, event: Event) -> Vec<Command> {
        let mut commands = self.namespace.handle(self.now, event);
        commands.extend(self.namespace.settle(self.now));
        commands
    }

    pub(crate) fn join(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Report);
        self.event(Event::Opened {
            stream: StreamId(stream),
            host,
        })
    }

    pub(crate) fn report(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Report);
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    pub(crate) fn answer(&mut self, stream: u64, operation: Operation, version: u64) -> String {
        let host = Host {
            operation,
            version: Some(version),
            ..Host::default()
        };
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    /// A message of a client that does not say what it is for.
    pub(crate) fn mumble(&mut self, stream: u64, types: &[&str]) -> String {
        let host = host(stream, types, Operation::Unknown);
        self.event(Event::Received {
            stream: StreamId(stream),
            host,
        })
    }

    pub(crate) fn close(&mut self, stream: u64) -> String {
        self.event(Event::Closed {
            stream: StreamId(stream),
        })
    }

    pub(crate) fn after(&mut self, pause: Duration) -> String {
        self.now += pause;
        let mut commands = self.namespace.tick(self.now);
        commands.extend(self.namespace.settle(self.now));
        told(&without_introductions(commands))
    }

    /// All `streams` answer the three steps of `version`; returns what followed the last answer.
    pub(crate) fn complete(&mut self, streams: &[u64], version: u64) -> String {
        let steps = [Operation::Lock, Operation::Update, Operation::Unlock];
        let all = steps
            .iter()
            .flat_map(|step| streams.iter().map(|stream| (*stream, *step)));
        all.fold(String::new(), |_, (stream, step)| {
            self.answer(stream, step, version)
        })
    }

    pub(crate) fn listed(&self) -> Vec<String> {
        let state = StateTable::from(&self.namespace);
        state.hosts.into_iter().map(|host| host.name).collect()
    }
}

pub(crate) fn host(stream: u64, types: &[&str], operation: Operation) -> Host {
    Host {
        name: format!("host-{stream}"),
        entities: types.iter().map(ToString::to_string).collect(),
        id: "app".into(),
        namespace: "default".into(),
        operation,
        ..Host::default()
    }
}

/// Without what a sidecar is told at first, which `introduction` tests.
fn without_introductions(mut commands: Vec<Command>) -> Vec<Command> {
    let step = |command: &Command| match command {
        Command::Send { order, .. } => Some(order.step),
        Command::Close { .. } => None,
    };
    while let Some(at) = commands
        .iter()
        .position(|it| step(it) == Some(Step::Preview))
    {
        commands.drain(at - 1..=at);
    }
    commands
}

pub(crate) fn told(commands: &[Command]) -> String {
    let words = commands.iter().map(|command| match command {
        Command::Send { stream, order } => {
            let step = match order.step {
                Step::Lock => "lock",
                Step::Preview => "preview",
                Step::Update => "update",
                Step::Unlock => "unlock",
            };
            format!("{}:{step} {}", stream.0, order.version)
        }
        Command::Close { stream, timeout } => format!("{}:{timeout}", stream.0),
    });
    words.collect::<Vec<_>>().join(", ")
}
