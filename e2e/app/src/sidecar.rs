use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// An HTTP client.
pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// The way to the sidecar's HTTP API on this machine.
pub(crate) struct Sidecar {
    pub(crate) http: Http,
    port: u16,
}

impl Sidecar {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            port,
        }
    }

    /// Calls a path below `/v1.0/` and passes the sidecar's answer on as it is; 502 if there is
    /// no sidecar.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Response {
        let url = format!("http://127.0.0.1:{}/v1.0/{path}", self.port);
        let Some(request) = request(method, &url, body) else {
            return (StatusCode::BAD_REQUEST, format!("{path:?} is no path")).into_response();
        };
        match self.http.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("sidecar: {error}")).into_response(),
        }
    }
}

/// Status and body of the answer, or why there is none.
pub(crate) async fn answer(
    http: &Http,
    method: Method,
    url: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let request = request(method, url, body).ok_or("this is no URL")?;
    let response = http.request(request).await;
    let response = response.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let body = response.into_body().collect().await;
    Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
}

fn request(method: Method, url: &str, body: Bytes) -> Option<Request<Full<Bytes>>> {
    let request = Request::builder().method(method).uri(url);
    let request = request.header(CONTENT_TYPE, "application/json");
    request.body(Full::new(body)).ok()
}
