//! Bodies: lent to an attempt, and watched to their end.

use std::{
    collections::VecDeque,
    future::poll_fn,
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
    Passed(Arc<Mutex<Passed>>),
    /// What is sent by ourselves.
    Own(Full<Bytes>),
}

/// What came in, and what was already read of it.
pub(crate) struct Passed {
    ahead: VecDeque<Bytes>,
    body: Incoming,
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
        let ahead = VecDeque::new();
        Self::Passed(Arc::new(Mutex::new(Passed { ahead, body })))
    }

    /// What was read of it and not sent.
    pub(crate) fn begun(&self) -> Vec<u8> {
        match self {
            Self::Passed(passed) => passed.lock().ahead.iter().flatten().copied().collect(),
            Self::Own(_) => Vec::new(),
        }
    }

    /// Reads a piece more without sending it; false if there is none before the end.
    pub(crate) async fn read_on(&self) -> bool {
        let Self::Passed(passed) = self else {
            return false;
        };
        let frame = poll_fn(|context| Pin::new(&mut passed.lock().body).poll_frame(context)).await;
        let data = frame.and_then(|frame| frame.ok()?.into_data().ok());
        let has_data = data.is_some();
        passed.lock().ahead.extend(data);
        has_data
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
            Self::Passed(passed) => {
                let mut passed = passed.lock();
                match passed.ahead.pop_front() {
                    Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                    None => Pin::new(&mut passed.body).poll_frame(context),
                }
            }
            Self::Own(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed(passed) => {
                let passed = passed.lock();
                passed.ahead.is_empty() && passed.body.is_end_stream()
            }
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed(passed) => passed.lock().size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}

// === impl Passed ===

impl Passed {
    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().map(|data| data.len() as u64).sum::<u64>();
        let (rest, mut hint) = (self.body.size_hint(), SizeHint::new());
        hint.set_lower(ahead + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead + upper);
        }
        hint
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
