//! Servers that stand for pods of the app, or for daprd.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

pub(crate) type Reply = Response<BoxBody<Bytes, hyper::Error>>;
type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Reply> + Send + Sync>;

/// What a backend was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// One server with both versions of HTTP.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopped: CancellationToken,
}

impl Backend {
    pub(crate) async fn start<F, Fut>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::at("127.0.0.1:0".parse().unwrap(), handler).await
    }

    pub(crate) async fn at<F, Fut>(address: SocketAddr, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            stopped: CancellationToken::new(),
        };
        let handler: Handler = Arc::new(move |request| handler(request).boxed());
        tokio::spawn(backend.clone().serve(listener, handler));
        backend
    }

    /// A server that answers every request with its own body.
    pub(crate) async fn echo() -> Self {
        Self::start(echo).await
    }

    /// A server that answers with `text`; on `/slow` only when it is told to `go`.
    pub(crate) async fn slow(go: &Arc<Notify>, text: &'static str) -> Self {
        let go = go.clone();
        Self::start(move |request: Request<Incoming>| {
            let go = go.clone();
            async move {
                if request.uri().path() == "/slow" {
                    go.notified().await;
                }
                reply(200, text)
            }
        })
        .await
    }

    /// Listens no more, and ends its connections.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    async fn serve(self, listener: TcpListener, handler: Handler) {
        while let Some(accepted) = self.stopped.run_until_cancelled(listener.accept()).await {
            let (stream, _) = accepted.unwrap();
            let (backend, handler) = (self.clone(), handler.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                backend.asked.lock().unwrap().push(Asked {
                    method: request.method().to_string(),
                    path: request.uri().path().into(),
                    headers: request.headers().clone(),
                });
                handler(request).map(Ok::<_, Infallible>)
            });
            let stopped = self.stopped.clone();
            tokio::spawn(stopped.run_until_cancelled_owned(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }));
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Methods and paths, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let asked = self.asked();
        asked
            .iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }
}

/// An address that nobody listens at: other tests that run meanwhile take ports of 127.0.0.1.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.9:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn reply(status: u16, text: impl Into<Bytes>) -> Reply {
    let body = Full::new(text.into())
        .map_err(|never| match never {})
        .boxed();
    Response::builder().status(status).body(body).unwrap()
}

/// The request's body, its `traceparent` and trailers, and a status nobody makes up.
pub(crate) async fn echo(request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let mut response = Response::builder().status(207);
    for (name, value) in &head.headers {
        if name.as_str().starts_with("x-") || name == "traceparent" {
            response = response.header(name, value);
        }
    }
    if head.version < http::Version::HTTP_2 {
        // Only chunks can be followed by trailers.
        response = response
            .header("trailer", "x-checksum")
            .header("transfer-encoding", "chunked");
    }
    let trailers = HeaderMap::from_iter([(
        "x-checksum".parse().unwrap(),
        HeaderValue::from_static("42"),
    )]);
    let body = body.with_trailers(async move { Some(Ok(trailers)) });
    response.body(body.boxed()).unwrap()
}
