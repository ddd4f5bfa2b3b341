use crate::flags::Flags;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// The header by which an application shows that daprd is its own.
const TOKEN: &str = "dapr-api-token";

/// daprd closes a connection on which nothing was asked for 10 s after it was made. One that is
/// used just then fails without the call having been seen, which no caller can tell from a fault.
const IDLE: Duration = Duration::from_secs(5);

/// An HTTP client.
type Http = Client<HttpConnector, Full<Bytes>>;

/// The way to the HTTP API of daprd, wherever that is.
#[derive(Clone)]
pub(crate) struct Sidecar {
    http: Http,
    endpoint: String,
    token: Option<String>,
}

impl Sidecar {
    pub(crate) fn new(flags: &Flags) -> Self {
        let port = flags.dapr_http_port;
        let beside = || format!("http://127.0.0.1:{port}");
        let mut http = Client::builder(TokioExecutor::new());
        http.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        Self {
            http: http.build_http(),
            endpoint: flags.dapr_http_endpoint.clone().unwrap_or_else(beside),
            token: flags.dapr_api_token.clone(),
        }
    }

    /// Calls a path below `/v1.0/` and passes the sidecar's answer on as it is; 502 if there is
    /// no sidecar.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Response {
        let Some(request) = self.request(method, &format!("/v1.0/{path}"), body) else {
            return (StatusCode::BAD_REQUEST, format!("{path:?} is no path")).into_response();
        };
        match self.http.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("sidecar: {error}")).into_response(),
        }
    }

    /// Status and body of the answer, or why there is none.
    pub(crate) async fn answer(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = self.request(method, url, body).ok_or("this is no URL")?;
        let response = self.http.request(request).await;
        let response = response.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response.into_body().collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }

    /// A URL that begins with a slash is one of daprd's, which wants to see the token.
    fn request(&self, method: Method, url: &str, body: Bytes) -> Option<Request<Full<Bytes>>> {
        let ours = url.starts_with('/');
        let endpoint = if ours { &self.endpoint } else { "" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{endpoint}{url}"));
        let mut request = request.header(CONTENT_TYPE, "application/json");
        if let Some(token) = self.token.as_ref().filter(|_| ours) {
            request = request.header(TOKEN, token);
        }
        request.body(Full::new(body)).ok()
    }
}
