//! An API server of objects in memory, as far as sentry uses one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// Objects by path; every write raises the version, and a write of an old version conflicts.
#[derive(Clone, Default)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    bodies: Vec<Value>,
    patches: Vec<(String, Value)>,
    /// Runs once, just before the next write: another replica's doing.
    interference: Option<(String, Value)>,
}

impl Api {
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| api.clone().answer(request));
        Client::new(service, "default")
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state.lock().unwrap().put(path, object);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.state.lock().unwrap().objects[path].clone()
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().objects.remove(path);
    }

    /// Paths that were written to over the wire, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }

    /// Bodies of the POST calls.
    pub(crate) fn posted(&self) -> Vec<Value> {
        self.state.lock().unwrap().bodies.clone()
    }

    /// Paths and bodies of the PATCH calls that found their object in the version they named.
    pub(crate) fn patches(&self) -> Vec<(String, Value)> {
        self.state.lock().unwrap().patches.clone()
    }

    pub(crate) fn interfere(&self, path: &str, object: Value) {
        self.state.lock().unwrap().interference = Some((path.to_owned(), object));
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(std::io::Error::other)?
            .to_bytes();
        let watching = head
            .uri
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        if watching {
            // A watch that never says anything.
            std::future::pending::<()>().await;
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) =
            self.state
                .lock()
                .unwrap()
                .answer(&head.method, head.uri.path(), body);
        let text = serde_json::to_vec(&answer)?;
        Response::builder()
            .status(status)
            .body(Body::from(text))
            .map_err(std::io::Error::other)
    }
}

impl State {
    fn put(&mut self, path: &str, mut object: Value) {
        let version = self.objects.get(path).map_or(1, |old| version(old) + 1);
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.objects.insert(path.to_owned(), object);
    }

    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        if *method == Method::PUT
            && let Some((path, object)) = self.interference.take()
        {
            self.put(&path, object);
        }
        if *method == Method::POST && !made_here(path) {
            self.bodies.push(body.clone());
        }
        if *method == Method::POST && made_here(path) {
            let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
            self.writes.push(path.clone());
            self.put(&path, body);
            return (StatusCode::CREATED, self.objects[&path].clone());
        }
        match (method, self.objects.get(path).cloned()) {
            (_, None) => (StatusCode::NOT_FOUND, status(404, "NotFound")),
            (&Method::PUT, Some(old)) if version(&body) != version(&old) => {
                (StatusCode::CONFLICT, status(409, "conflict"))
            }
            (&Method::PUT, Some(_)) => {
                self.writes.push(path.to_owned());
                self.put(path, body);
                (StatusCode::OK, self.objects[path].clone())
            }
            (&Method::PATCH, Some(old)) if version(&body) != version(&old) => {
                (StatusCode::CONFLICT, status(409, "conflict"))
            }
            (&Method::PATCH, Some(old)) => {
                self.patches.push((path.to_owned(), body));
                (StatusCode::OK, old)
            }
            (_, Some(object)) => (StatusCode::OK, object),
        }
    }
}

/// Whether objects of this kind may be made. Of others the making is only noted.
fn made_here(path: &str) -> bool {
    path.ends_with("/secrets") || path.ends_with("/configmaps")
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason,
        "reason": reason, "code": code})
}
