//! Answers of our own, in the form that the caller understands.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;

use crate::body::Body;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Try again later.
    Unavailable,
    /// The other side broke off.
    Broken,
    /// Not without a token.
    Unauthenticated,
    /// Too much at once.
    Exhausted,
}

// === impl Refusal ===

impl Refusal {
    fn http(self) -> StatusCode {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The code of the gRPC specification.
    fn grpc(self) -> u16 {
        match self {
            Self::Unavailable | Self::Broken => 14,
            Self::Unauthenticated => 16,
            Self::Exhausted => 8,
        }
    }

    /// The answer to a request that was gRPC or not. `message` is plain ASCII.
    pub(crate) fn answer(self, grpc: bool, message: &str) -> Response<Body> {
        if grpc {
            self.grpc_answer(message)
        } else {
            self.http_answer(message)
        }
    }

    fn http_answer(self, message: &str) -> Response<Body> {
        let text = Full::from(format!("{message}\n"));
        let mut response = Response::new(text.map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = self.http();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if matches!(self, Self::Unavailable | Self::Exhausted) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn grpc_answer(self, message: &str) -> Response<Body> {
        let mut response = empty(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, self.grpc().into());
        if let Ok(message) = HeaderValue::from_str(message) {
            headers.insert(GRPC_MESSAGE, message);
        }
        response
    }
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(nothing());
    *response.status_mut() = status;
    response
}

/// Done, in the form of `google.protobuf.Empty` or of an empty HTTP answer.
pub(crate) fn done(grpc: bool) -> Response<Body> {
    if !grpc {
        return empty(StatusCode::NO_CONTENT);
    }
    let ok = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    // Not compressed, no bytes long.
    let message = Frame::data(Bytes::from_static(&[0; 5]));
    let frames = futures::stream::iter([Ok(message), Ok(Frame::trailers(ok))]);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
