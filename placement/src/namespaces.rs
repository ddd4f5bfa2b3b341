//! All namespaces: which are open, and how a stream joins its own.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use placement_core::{Host, Roster, Settings, StateTable, StateTables, StreamId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{line::Line, mandate::Mandate, metrics::Gauges, namespace};

/// The open namespaces. Clones are the same set.
///
/// Each namespace has a task of its own, so that none waits for another; this only hands out
/// the way to it. A namespace is open as long as it has a stream, and forgets everything then.
#[derive(Clone, Debug)]
pub struct Namespaces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    registry: Mutex<Registry>,
    /// Grows with every change of a namespace's hosts.
    revision: AtomicU64,
    tasks: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
}

/// What every namespace goes by.
#[derive(Clone, Debug)]
pub struct Config {
    /// How patient rounds are.
    pub settings: Settings,
    /// The number sent in every table (`--replicationFactor`).
    pub replication_factor: i64,
    /// Where streams are counted.
    pub gauges: Gauges,
    /// How long tables may be handed out.
    pub mandate: Mandate,
}

#[derive(Debug, Default)]
struct Registry {
    open: HashMap<String, Open>,
    streams: u64,
    expected: Option<Expected>,
    /// Addresses of pods that are being deleted, by namespace.
    leaving: HashMap<String, Arc<BTreeSet<IpAddr>>>,
    stopped: bool,
}

/// The hosts that a leader before this one served, if that is known, and until when they are
/// waited for.
#[derive(Debug)]
struct Expected {
    roster: Option<Roster>,
    until: Instant,
}

#[derive(Debug)]
struct Open {
    mailbox: mpsc::UnboundedSender<Message>,
    streams: usize,
}

/// What a namespace's task is told.
#[derive(Debug)]
pub(crate) enum Message {
    Opened {
        stream: StreamId,
        host: Host,
        line: Arc<Line>,
    },
    Received {
        stream: StreamId,
        host: Host,
        _credit: OwnedSemaphorePermit,
    },
    Closed {
        stream: StreamId,
    },
    Leaving(Arc<BTreeSet<IpAddr>>),
    State(oneshot::Sender<StateTable>),
    Names(oneshot::Sender<BTreeSet<String>>),
    Stop(Status),
}

/// Runs the tasks of namespaces; see [`Namespaces::new`].
#[derive(Debug)]
pub struct Supervisor(mpsc::UnboundedReceiver<BoxFuture<'static, ()>>);

/// A stream's place in its namespace. Dropping it closes the stream there, once.
#[derive(Debug)]
pub(crate) struct Membership {
    namespaces: Namespaces,
    namespace: String,
    stream: StreamId,
    mailbox: mpsc::UnboundedSender<Message>,
    credit: Arc<Semaphore>,
}

/// How many messages of one stream may wait for the namespace's task; then it is not read.
const CREDIT: usize = 4;

// === impl Namespaces ===

impl Namespaces {
    /// No open namespace. The supervisor must be run for any to open.
    pub fn new(config: Config) -> (Self, Supervisor) {
        let (tasks, queue) = mpsc::unbounded_channel();
        let inner = Inner {
            config,
            registry: Mutex::default(),
            revision: AtomicU64::default(),
            tasks,
        };
        (Self(Arc::new(inner)), Supervisor(queue))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Brings a stream into the namespace its first message names.
    pub(crate) fn join(&self, host: Host, line: Arc<Line>) -> Result<Membership, Status> {
        let namespace = host.namespace.clone();
        let mut registry = self.0.registry.lock();
        if registry.stopped {
            return Err(shutting_down());
        }
        let stream = StreamId(registry.streams);
        registry.streams += 1;
        let Registry {
            open,
            expected,
            leaving,
            ..
        } = &mut *registry;
        let open = open.entry(namespace.clone()).or_insert_with(|| {
            let open = self.open(&namespace, expected);
            if let Some(addresses) = leaving.get(&namespace) {
                let _ = open.mailbox.send(Message::Leaving(Arc::clone(addresses)));
            }
            open
        });
        open.streams += 1;
        let mailbox = open.mailbox.clone();
        // Told while the registry is locked: the task cannot retire between.
        let _ = mailbox.send(Message::Opened { stream, host, line });
        drop(registry);
        let credit = Arc::new(Semaphore::new(CREDIT));
        Ok(Membership {
            namespaces: self.clone(),
            namespace,
            stream,
            mailbox,
            credit,
        })
    }

    fn open(&self, namespace: &str, expected: &mut Option<Expected>) -> Open {
        let (mailbox, messages) = mpsc::unbounded_channel();
        let task = namespace::Task::new(namespace.into(), self.clone(), messages);
        let task = match expected {
            Some(Expected { roster, until }) if Instant::now() < *until => {
                let names = roster.as_mut().map(|roster| roster.take(namespace));
                task.waiting(names, *until)
            }
            _ => task,
        };
        // The supervisor is gone only when the process is.
        let _ = self.0.tasks.send(Box::pin(task.run()));
        Open {
            mailbox,
            streams: 0,
        }
    }

    fn leave(&self, namespace: &str, stream: StreamId) {
        let mut registry = self.0.registry.lock();
        if let Some(open) = registry.open.get_mut(namespace) {
            open.streams -= 1;
            let _ = open.mailbox.send(Message::Closed { stream });
        }
    }

    /// From now on the pods at these addresses, and no others, are being deleted. Only the
    /// namespaces that this changes are told.
    pub(crate) fn leaving(&self, leaving: HashMap<String, Arc<BTreeSet<IpAddr>>>) {
        let mut registry = self.0.registry.lock();
        let before = std::mem::replace(&mut registry.leaving, leaving);
        let none = Arc::default();
        for (namespace, open) in &registry.open {
            let addresses = registry.leaving.get(namespace).unwrap_or(&none);
            if addresses != before.get(namespace).unwrap_or(&none) {
                let _ = open.mailbox.send(Message::Leaving(Arc::clone(addresses)));
            }
        }
    }

    /// Lets the namespaces that open until then wait for these hosts, or for any if nobody knows
    /// which there were.
    pub(crate) fn expect(&self, roster: Option<Roster>, until: Instant) {
        self.0.registry.lock().expected = Some(Expected { roster, until });
    }

    /// Closes a namespace if no stream is left; its task then ends. Asked by the task itself
    /// when it knows of no stream, so that what it does last comes before a successor's first.
    pub(crate) fn retire(&self, namespace: &str) -> bool {
        let mut registry = self.0.registry.lock();
        let unused = registry
            .open
            .get(namespace)
            .is_none_or(|open| open.streams == 0);
        if unused {
            registry.open.remove(namespace);
            self.revise();
        }
        unused
    }

    /// Tells that the hosts of a namespace changed.
    pub(crate) fn revise(&self) {
        self.0.revision.fetch_add(1, Ordering::Relaxed);
    }

    /// Differs from what it was if the hosts of any namespace may.
    pub(crate) fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Relaxed)
    }

    /// Ends all streams at once with this status, and lets none in any more.
    pub fn stop(&self, status: &Status) {
        let mut registry = self.0.registry.lock();
        registry.stopped = true;
        for open in registry.open.values() {
            let _ = open.mailbox.send(Message::Stop(status.clone()));
        }
    }

    /// What all namespaces hold now.
    pub async fn state(&self) -> StateTables {
        let tables = self.ask_all(Message::State).await;
        StateTables {
            tables: tables.into_iter().collect(),
        }
    }

    /// The names of the hosts of all namespaces.
    pub(crate) async fn roster(&self) -> Roster {
        Roster::of(self.ask_all(Message::Names).await)
    }

    async fn ask_all<A>(&self, ask: impl Fn(oneshot::Sender<A>) -> Message) -> Vec<(String, A)> {
        let mut answers = Vec::new();
        for (namespace, mailbox) in self.mailboxes() {
            let (sender, answer) = oneshot::channel();
            // A namespace that closes meanwhile does not answer, and is not listed.
            let _ = mailbox.send(ask(sender));
            if let Ok(answer) = answer.await {
                answers.push((namespace, answer));
            }
        }
        answers
    }

    fn mailboxes(&self) -> Vec<(String, mpsc::UnboundedSender<Message>)> {
        let registry = self.0.registry.lock();
        let used = registry.open.iter().filter(|(_, open)| open.streams > 0);
        used.map(|(namespace, open)| (namespace.clone(), open.mailbox.clone()))
            .collect()
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Runs every task until `stopping` and, after [`Namespaces::stop`], to its end.
    ///
    /// # Errors
    /// If a task panicked. Its streams would hang, so the process has to be stopped.
    pub async fn run(mut self, stopping: CancellationToken) -> Result<(), JoinError> {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                Some(task) = self.0.recv() => drop(tasks.spawn(task)),
                Some(ended) = tasks.join_next() => ended?,
                () = stopping.cancelled() => break,
            }
        }
        self.0.close();
        while let Some(task) = self.0.recv().await {
            tasks.spawn(task);
        }
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok(())
    }
}

// === impl Membership ===

impl Membership {
    /// Passes a message on; waits while too many of this stream are unread.
    pub(crate) async fn send(&self, host: Host) {
        // The semaphore is never closed.
        if let Ok(credit) = Arc::clone(&self.credit).acquire_owned().await {
            let stream = self.stream;
            let _ = self.mailbox.send(Message::Received {
                stream,
                host,
                _credit: credit,
            });
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.namespaces.leave(&self.namespace, self.stream);
    }
}

/// What a stream is told that comes after the stop.
pub(crate) fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down")
}

/// What all streams are told at a signal to stop.
pub(crate) fn stopped_by_signal() -> Status {
    Status::unknown("placement received a signal to stop")
}

/// What all streams are told when another replica leads, or a majority is out of reach.
pub(crate) fn lost_leadership() -> Status {
    Status::unknown("lost leadership")
}
