//! Simulated sidecars of one namespace.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use prost::Message;
use proto::placement::v1::{Host, HostOperation};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::http2::{self, Connection, Event, Step};

/// Longer than anything here takes; who takes longer is not waited for.
const LIMIT: Duration = Duration::from_secs(30);
/// Before a stream is opened again.
const AGAIN: Duration = Duration::from_millis(5);
const BUFFER: usize = 16 << 10;

/// The sidecars, and what they have seen together.
#[derive(Default)]
pub(super) struct Crowd {
    port: u16,
    members: RefCell<Vec<Rc<Notify>>>,
    /// The newest version that anybody was unlocked with, and how many were.
    latest: Cell<(u64, usize)>,
    bytes: Cell<u64>,
    lost: Cell<u32>,
    changed: Notify,
}

// === impl Crowd ===

impl Crowd {
    pub(super) fn of(port: u16) -> Rc<Self> {
        Rc::new(Self {
            port,
            ..Self::default()
        })
    }

    /// One more sidecar.
    pub(super) fn join(self: &Rc<Self>) {
        let leave = Rc::new(Notify::new());
        let index = self.members.borrow().len();
        self.members.borrow_mut().push(Rc::clone(&leave));
        let crowd = Rc::clone(self);
        spawn_local(async move {
            tokio::select! {
                () = crowd.stay(index) => {}
                () = leave.notified() => {}
            }
        });
    }

    /// Comes back whenever the server ends the stream, as a sidecar does.
    async fn stay(&self, index: usize) {
        loop {
            // Why it ended does not matter here.
            let _ = self.live(index).await;
            self.lost.set(self.lost.get() + 1);
            sleep(AGAIN).await;
        }
    }

    /// The last that came goes.
    pub(super) fn leave(&self) {
        if let Some(leave) = self.members.borrow_mut().pop() {
            leave.notify_one();
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.latest.get().0
    }

    /// How many bytes were received.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// How many streams the server ended.
    pub(super) fn lost(&self) -> u32 {
        self.lost.get()
    }

    /// Waits until all are unlocked with one version above this; false if that takes too long.
    pub(super) async fn unlocked_above(&self, version: u64) -> bool {
        let unlocked = async {
            loop {
                let changed = self.changed.notified();
                let (latest, count) = self.latest.get();
                if latest > version && count >= self.members.borrow().len() {
                    return;
                }
                changed.await;
            }
        };
        timeout(LIMIT, unlocked).await.is_ok()
    }

    async fn live(&self, index: usize) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        stream
            .write_all(&http2::open(&report(index).encode_to_vec()))
            .await?;
        let (mut connection, mut buffer) = (Connection::default(), vec![0; BUFFER]);
        let (mut out, mut events) = (Vec::new(), Vec::new());
        loop {
            let count = stream.read(&mut buffer).await?;
            let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty());
            connection.read(
                bytes.context("the connection ended")?,
                &mut out,
                &mut events,
            );
            self.bytes.set(self.bytes.get() + u64::try_from(count)?);
            for event in events.drain(..) {
                let Event::Order { step, version } = event else {
                    return Ok(());
                };
                http2::message(&mut out, &answer(index, step, version).encode_to_vec());
                if step == Step::Unlock {
                    self.unlocked(version);
                }
            }
            stream.write_all(&out).await?;
            out.clear();
        }
    }

    fn unlocked(&self, version: u64) {
        let (latest, count) = self.latest.get();
        match version.cmp(&latest) {
            std::cmp::Ordering::Less => return,
            std::cmp::Ordering::Equal => self.latest.set((latest, count + 1)),
            std::cmp::Ordering::Greater => self.latest.set((version, 1)),
        }
        self.changed.notify_waiters();
    }
}

fn report(index: usize) -> Host {
    Host {
        name: format!(
            "10.{}.{}.{}:50002",
            index >> 16,
            index >> 8 & 255,
            index & 255
        ),
        entities: vec!["actor".into()],
        ..message(index, HostOperation::Report)
    }
}

fn answer(index: usize, step: Step, version: u64) -> Host {
    let operation = match step {
        Step::Lock => HostOperation::Lock,
        Step::Update => HostOperation::Update,
        Step::Unlock => HostOperation::Unlock,
    };
    Host {
        version: Some(version),
        ..message(index, operation)
    }
}

fn message(index: usize, operation: HostOperation) -> Host {
    Host {
        id: format!("app-{}", index / 10),
        namespace: "bench".into(),
        operation: operation.into(),
        ..Host::default()
    }
}
