//! Simulated sidecars of one namespace.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use prost::Message;
use proto::placement::v1::{Host, HostOperation};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    APP,
    http2::{self, Connection, Event, Step},
};
use crate::{dialer::Dialer, service::NAMESPACE};

/// Longer than anything here takes; who takes longer is not waited for.
const LIMIT: Duration = Duration::from_secs(30);
/// Before a stream is opened again.
const AGAIN: Duration = Duration::from_millis(5);
const BUFFER: usize = 16 << 10;

/// How the server is reached.
pub(super) enum Way {
    Plain(u16),
    /// As sidecars of [`APP`].
    Tls(Dialer),
}

trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// The sidecars, and what they have seen together.
pub(super) struct Crowd {
    way: Way,
    members: RefCell<Vec<Rc<Notify>>>,
    /// The newest version that anybody was unlocked with, and how many were.
    latest: Cell<(u64, usize)>,
    bytes: Cell<u64>,
    lost: Cell<u32>,
    changed: Notify,
}

// === impl Crowd ===

impl Crowd {
    pub(super) fn of(way: Way) -> Rc<Self> {
        Rc::new(Self {
            way,
            members: RefCell::default(),
            latest: Cell::default(),
            bytes: Cell::default(),
            lost: Cell::default(),
            changed: Notify::new(),
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
        let mut stream = self.way.dial().await?;
        let report = self.report(index).encode_to_vec();
        stream.write_all(&http2::open(&report)).await?;
        stream.flush().await?;
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
                let answer = self.answer(index, step, version);
                http2::message(&mut out, &answer.encode_to_vec());
                if step == Step::Unlock {
                    self.unlocked(version);
                }
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
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

    fn report(&self, index: usize) -> Host {
        Host {
            name: format!(
                "10.{}.{}.{}:50002",
                index >> 16,
                index >> 8 & 255,
                index & 255
            ),
            entities: vec!["actor".into()],
            ..self.message(index, HostOperation::Report)
        }
    }

    fn answer(&self, index: usize, step: Step, version: u64) -> Host {
        let operation = match step {
            Step::Lock => HostOperation::Lock,
            Step::Update => HostOperation::Update,
            Step::Unlock => HostOperation::Unlock,
        };
        Host {
            version: Some(version),
            ..self.message(index, operation)
        }
    }

    fn message(&self, index: usize, operation: HostOperation) -> Host {
        Host {
            id: match self.way {
                Way::Plain(_) => format!("app-{}", index / 10),
                Way::Tls(_) => APP.into(),
            },
            namespace: NAMESPACE.into(),
            operation: operation.into(),
            ..Host::default()
        }
    }
}

// === impl Way ===

impl Way {
    async fn dial(&self) -> io::Result<Box<dyn Socket>> {
        Ok(match self {
            Self::Tls(dialer) => Box::new(dialer.connect().await?),
            Self::Plain(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}
