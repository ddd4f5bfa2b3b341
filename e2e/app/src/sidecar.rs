use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// The way to the sidecar's HTTP API on this machine.
pub(crate) struct Sidecar {
    client: Client<HttpConnector, Full<Bytes>>,
    port: u16,
}

impl Sidecar {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            port,
        }
    }

    /// Calls a path below `/v1.0/` and passes the sidecar's answer on as it is; 502 if there is
    /// no sidecar.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}/v1.0/{path}", self.port))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        let Ok(request) = request else {
            return (StatusCode::BAD_REQUEST, format!("{path:?} is no path")).into_response();
        };
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("sidecar: {error}")).into_response(),
        }
    }
}
