//! An API server in memory.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;

type Answer = dyn Fn(&str, &str) -> (u16, Value) + Send + Sync;

/// An API server that answers by method and path, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Script {
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

/// An API server that answers by method and path.
pub(crate) fn answers(
    answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static,
) -> Script {
    Script {
        answer: Arc::new(answer),
        asked: Arc::default(),
    }
}

// === impl Script ===

impl Script {
    pub(crate) fn client(&self) -> Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move { Ok::<_, Infallible>(script.take(request).await) }
        });
        Client::new(service, "default")
    }

    /// Method, content type and field manager of each request.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked
            .lock()
            .iter()
            .map(|(call, _)| call.clone())
            .collect()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.asked
            .lock()
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    async fn take(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let manager = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("fieldManager="));
        let kind = parts
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.filter(|_| parts.method == "PATCH");
        let words = [Some(parts.method.as_str()), kind, manager];
        let call = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let body = body.collect().await.unwrap().to_bytes();
        self.asked
            .lock()
            .push((call, serde_json::from_slice(&body).unwrap_or_default()));
        let (code, answer) = (self.answer)(parts.method.as_str(), parts.uri.path());
        let body = Body::from(answer.to_string().into_bytes());
        Response::builder().status(code).body(body).unwrap()
    }
}
