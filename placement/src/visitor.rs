//! Connections, and how long they are kept without a stream.
//!
//! A sidecar leaves a connection behind each time it looks for another leader, and never closes
//! it; and anybody can open connections and say nothing.

use std::{
    any::Any,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use identity::Peer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tonic::transport::server::Connected;

/// How long a connection may be without a stream.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// Before its first.
    pub first: Duration,
    /// After its last.
    pub idle: Duration,
}

/// A connection that ends itself when it has had no stream for too long.
pub(crate) struct Visit<C> {
    io: C,
    visitor: Visitor,
    stay: Stay,
    looks: Pin<Box<Sleep>>,
    /// The count of streams begun at the last look, if there was none under way then.
    seen: Option<usize>,
}

/// Who is at the other end; in the extensions of each request.
#[derive(Clone, Debug)]
pub struct Visitor {
    peer: Option<Peer>,
    streams: Arc<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    begun: AtomicUsize,
    open: AtomicUsize,
}

/// A stream under way.
#[derive(Debug)]
pub(crate) struct Open(Arc<Streams>);

impl Default for Stay {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(30),
            idle: Duration::from_mins(5),
        }
    }
}

// === impl Visitor ===

impl Visitor {
    /// Somebody on a new connection; who it is, is known by TLS alone.
    pub fn new(peer: Option<Peer>) -> Self {
        Self {
            peer,
            streams: Arc::default(),
        }
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    pub(crate) fn open(&self) -> Open {
        self.streams.begun.fetch_add(1, Ordering::Relaxed);
        self.streams.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.streams))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Visit ===

impl<C: Connected> Visit<C> {
    pub(crate) fn new(io: C, stay: Stay) -> Self {
        let info = io.connect_info();
        let peer = (&info as &dyn Any).downcast_ref::<Peer>().cloned();
        Self {
            io,
            visitor: Visitor::new(peer),
            stay,
            looks: Box::pin(sleep(stay.first)),
            seen: Some(0),
        }
    }

    /// Whether nothing happened from the look before last to the last.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.looks.as_mut().poll(context));
            let begun = self.visitor.streams.begun.load(Ordering::Relaxed);
            let open = self.visitor.streams.open.load(Ordering::Relaxed);
            if open == 0 && self.seen == Some(begun) {
                return Poll::Ready(());
            }
            self.seen = (open == 0).then_some(begun);
            self.looks.as_mut().reset(Instant::now() + self.stay.idle);
        }
    }
}

impl<C: Connected> Connected for Visit<C> {
    type ConnectInfo = Visitor;

    fn connect_info(&self) -> Visitor {
        self.visitor.clone()
    }
}

impl<C: AsyncRead + Connected + Unpin> AsyncRead for Visit<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poll_over(context).is_ready() {
            // As if the other side had ended it.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.io).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Visit<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
