//! Clients of both versions of HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// A version of HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Http {
    One,
    Two,
}

#[derive(Clone)]
pub(crate) struct Caller {
    to: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Caller {
    pub(crate) fn new(to: SocketAddr, http: Http) -> Self {
        Self::from(to, http, None)
    }

    /// A caller at another address of this machine, as another pod would be.
    pub(crate) fn from(to: SocketAddr, http: Http, from: Option<[u8; 4]>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(from.map(Into::into));
        let client = Client::builder(TokioExecutor::new())
            .http2_only(matches!(http, Http::Two))
            .build(connector);
        Self { to, client }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let uri = format!("http://{}{path}", self.to);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.client.request(request).await.unwrap()
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (head, body) = self.send(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }
}
