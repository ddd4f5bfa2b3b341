//! Bodies: lent to an attempt, and watched to their end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A request's body, lent to one attempt to send it. A client that fails to connect drops the
/// request without having read from it; then another clone still has all of it.
#[derive(Clone)]
pub(crate) enum Lent {
    /// What came in.
    Passed(Arc<Mutex<Incoming>>),
    /// What is sent by ourselves.
    Own(Full<Bytes>),
}

/// The body of an answer that keeps something alive until it ends or is given up.
pub(crate) struct Keeping<K> {
    body: Incoming,
    _kept: K,
}

// === impl Lent ===

impl Lent {
    pub(crate) fn new(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self::Passed(Arc::new(Mutex::new(body)))
    }

    pub(crate) fn empty() -> Self {
        Self::Own(Full::default())
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Passed(body) => Pin::new(&mut *body.lock()).poll_frame(context),
            Self::Own(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed(body) => body.lock().is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed(body) => body.lock().size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}

// === impl Keeping ===

impl<K: Send + Unpin + 'static> Keeping<K> {
    /// `kept` is dropped when the body is.
    pub(crate) fn boxed(body: Incoming, kept: K) -> Body {
        Self { body, _kept: kept }.boxed_unsync()
    }
}

impl<K: Unpin> HttpBody for Keeping<K> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
