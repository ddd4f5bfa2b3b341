//! A stream as HTTP sees it: a body that yields orders and ends with a status.
//!
//! The generated server of tonic would copy every table into a buffer of each stream. Here all
//! streams of a namespace are given the same bytes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use hyper::body::{Body as HttpBody, Frame};
use tonic::{Status, body::Body};

use crate::{line::Line, mandate::Mandate, namespaces::lost_leadership, visitor::Open};

/// One stream, both directions: polling it reads what the client says, too.
pub(crate) struct Exchange {
    session: BoxFuture<'static, Status>,
    line: Arc<Line>,
    mandate: Mandate,
    _open: Option<Open>,
    progress: Progress,
}

enum Progress {
    /// Nothing was sent yet.
    Open,
    /// The first order, which waits for the headers to be sent.
    First(Bytes),
    Ended,
}

enum Piece {
    Order(Bytes),
    End(Status),
}

// === impl Exchange ===

impl Exchange {
    /// `session` serves the stream whose orders come over `line`, and go out under `mandate`; `open` is
    /// held as long.
    pub(crate) fn new(
        session: BoxFuture<'static, Status>,
        line: Arc<Line>,
        mandate: Mandate,
        open: Option<Open>,
    ) -> Self {
        Self {
            session,
            line,
            mandate,
            _open: open,
            progress: Progress::Open,
        }
    }

    /// The response: its headers go with the first order, or with the refusal.
    pub(crate) async fn respond(mut self) -> Response<Body> {
        match std::future::poll_fn(|context| self.poll_piece(context)).await {
            Piece::End(status) => status.into_http(),
            Piece::Order(frame) => {
                let gzip = self.line.takes_gzip();
                self.progress = Progress::First(frame);
                let mut response = Response::new(Body::new(self));
                let kind = HeaderValue::from_static("application/grpc");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                if gzip {
                    // Each message says for itself whether it is.
                    let encoding = HeaderValue::from_static("gzip");
                    response.headers_mut().insert("grpc-encoding", encoding);
                }
                response
            }
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        if let Poll::Ready(status) = self.session.as_mut().poll(context) {
            self.progress = Progress::Ended;
            return Poll::Ready(Piece::End(status));
        }
        let frame = std::task::ready!(self.line.poll_frame(context));
        if self.mandate.holds() {
            return Poll::Ready(Piece::Order(frame));
        }
        self.progress = Progress::Ended;
        Poll::Ready(Piece::End(lost_leadership()))
    }
}

impl HttpBody for Exchange {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match std::mem::replace(&mut self.progress, Progress::Open) {
            Progress::First(frame) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
            Progress::Ended => {
                self.progress = Progress::Ended;
                return Poll::Ready(None);
            }
            Progress::Open => {}
        }
        self.poll_piece(context).map(|piece| {
            Some(match piece {
                Piece::Order(frame) => Ok(Frame::data(frame)),
                Piece::End(status) => trailers(&status).map(Frame::trailers),
            })
        })
    }
}

fn trailers(status: &Status) -> Result<HeaderMap, Status> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(trailers)
}
