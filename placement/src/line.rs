//! The line to one sidecar: orders in at one end, frames out at the other.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use placement_core::{Order, Outbox};
use tonic::Status;

/// What waits to be written to a stream, and whether the stream shall end.
///
/// The namespace's task writes and never waits; the stream's own task, and no other, polls.
#[derive(Debug, Default)]
pub(crate) struct Line {
    gzip: bool,
    state: Mutex<State>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox<Bytes>,
    registered: bool,
    end: Option<Status>,
}

// === impl Line ===

impl Line {
    /// With `gzip`, the sidecar takes compressed messages.
    pub(crate) fn new(gzip: bool) -> Self {
        Self {
            gzip,
            ..Self::default()
        }
    }

    pub(crate) fn takes_gzip(&self) -> bool {
        self.gzip
    }

    pub(crate) fn send(&self, order: Order, frame: Bytes) {
        let mut state = self.state.lock();
        state.registered = true;
        state.outbox.push(order, frame);
        drop(state);
        self.waker.wake();
    }

    /// Ends the stream at once; what is unsent is forgotten.
    pub(crate) fn end(&self, status: Status) {
        let mut state = self.state.lock();
        state.outbox.clear();
        state.end.get_or_insert(status);
        drop(state);
        self.waker.wake();
    }

    pub(crate) fn poll_frame(&self, context: &Context<'_>) -> Poll<Bytes> {
        self.poll(context, |state| state.outbox.pop())
    }

    /// Ready when the first order was given.
    pub(crate) fn poll_registered(&self, context: &Context<'_>) -> Poll<()> {
        self.poll(context, |state| state.registered.then_some(()))
    }

    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<Status> {
        self.poll(context, |state| state.end.clone())
    }

    fn poll<T>(&self, context: &Context<'_>, ask: impl Fn(&mut State) -> Option<T>) -> Poll<T> {
        // First the waker, then the question: what comes in between is not missed.
        self.waker.register(context.waker());
        ask(&mut self.state.lock()).map_or(Poll::Pending, Poll::Ready)
    }
}
