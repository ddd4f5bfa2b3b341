use crate::app::App;
use crate::load::{self, Load, Outcome};
use anyhow::Context;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

type Shared = State<Arc<App>>;

/// Serves until `stopped`.
pub(crate) async fn serve(
    app: Arc<App>,
    address: SocketAddr,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    println!("HTTP on {address}");
    axum::serve(listener, router(app))
        .with_graceful_shutdown(stopped)
        .await
        .context("serve HTTP")
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(driven())
        .merge(called())
        .with_state(app)
}

/// What people and tests call.
fn driven() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(StatusCode::NO_CONTENT))
        .route("/hello", any(hello))
        .route(
            "/state/{key}",
            get(get_state).put(put_state).post(put_state),
        )
        .route("/call/{app}/{*method}", any(call))
        .route("/publish/{topic}", post(publish).put(publish))
        .route("/received", get(received))
        .route("/received/data", get(received_data))
        .route("/count/{id}", any(count))
        .route("/binding/{name}/{*path}", get(binding))
        .route("/metadata", get(metadata))
        .route("/load", post(load))
}

/// What the sidecar calls.
fn called() -> Router<Arc<App>> {
    Router::new()
        .route("/dapr/subscribe", get(subscriptions))
        .route("/events", post(event))
        .route("/ticks", post(tick))
        .route("/dapr/config", get(actor_config))
        .route("/actors/{type}/{id}", delete(deactivate))
        .route("/actors/{type}/{id}/method/{method}", put(act))
        .route("/actors/{type}/{id}/method/remind/{name}", put(reminded))
        .route("/job/{name}", post(job))
}

async fn hello(State(app): Shared) -> String {
    app.name.clone()
}

async fn get_state(State(app): Shared, Path(key): Path<String>) -> Response {
    let path = format!("state/{}/{key}", app.state_store);
    app.sidecar.call(Method::GET, &path, Bytes::new()).await
}

/// The body is the value: JSON if it is some, else text.
async fn put_state(State(app): Shared, Path(key): Path<String>, body: Bytes) -> Response {
    let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
    let value = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    let items = json!([{"key": key, "value": value}]).to_string();
    app.sidecar
        .call(
            Method::POST,
            &format!("state/{}", app.state_store),
            items.into(),
        )
        .await
}

async fn call(
    State(app): Shared,
    Path((target, method)): Path<(String, String)>,
    verb: Method,
    body: Bytes,
) -> Response {
    app.sidecar
        .call(verb, &format!("invoke/{target}/method/{method}"), body)
        .await
}

async fn publish(State(app): Shared, Path(topic): Path<String>, body: Bytes) -> Response {
    app.sidecar
        .call(
            Method::POST,
            &format!("publish/{}/{topic}", app.pubsub),
            body,
        )
        .await
}

async fn received(State(app): Shared) -> Json<Vec<Value>> {
    Json(app.received())
}

/// What the publishers sent, without what brokers and daprd add.
async fn received_data(State(app): Shared) -> Json<Vec<Value>> {
    let events = app.received().into_iter();
    Json(events.map(|mut event| event["data"].take()).collect())
}

async fn count(State(app): Shared, Path(id): Path<String>) -> Response {
    let path = format!("actors/{}/{id}/method/increment", app.actor_type);
    app.sidecar.call(Method::PUT, &path, Bytes::new()).await
}

/// Has an output binding get a path, as `bindings.http` does.
async fn binding(State(app): Shared, Path((name, path)): Path<(String, String)>) -> Response {
    let request = json!({"operation": "get", "metadata": {"path": format!("/{path}")}});
    app.sidecar
        .call(
            Method::POST,
            &format!("bindings/{name}"),
            request.to_string().into(),
        )
        .await
}

async fn metadata(State(app): Shared) -> Response {
    app.sidecar
        .call(Method::GET, "metadata", Bytes::new())
        .await
}

/// Whatever the content type is: the API server's proxy sends none.
async fn load(State(app): Shared, body: Bytes) -> Result<Json<Outcome>, (StatusCode, String)> {
    let load: Load = serde_json::from_slice(&body)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Json(load::run(&app.sidecar, load).await))
}

async fn subscriptions(State(app): Shared) -> Json<Vec<Value>> {
    let subscribe = |topic| json!({"pubsubname": app.pubsub, "topic": topic, "route": "/events"});
    Json(app.topics.iter().map(subscribe).collect())
}

/// An event that can't be kept is to come again.
async fn event(State(app): Shared, Json(event): Json<Value>) -> Json<Value> {
    let status = match app.record(event).await {
        Ok(()) => "SUCCESS",
        Err(_) => "RETRY",
    };
    Json(json!({"status": status}))
}

/// What `bindings.cron` sends: nothing but the time, as a header.
async fn tick(State(app): Shared, headers: HeaderMap) -> StatusCode {
    let time = headers
        .get("readtimeutc")
        .and_then(|time| time.to_str().ok());
    kept(&app, json!({"data": time})).await
}

async fn actor_config(State(app): Shared) -> Json<Value> {
    Json(app.actor_config())
}

async fn deactivate(State(app): Shared, Path((_, id)): Path<(String, String)>) -> StatusCode {
    app.deactivate(&id);
    StatusCode::OK
}

async fn act(
    State(app): Shared,
    Path((_, id, method)): Path<(String, String, String)>,
) -> Response {
    match method.as_str() {
        "increment" => Json(app.increment(&id)).into_response(),
        "get" => Json(app.count(&id)).into_response(),
        "visit" => format!("{} {}", app.name, app.increment(&id)).into_response(),
        other => (StatusCode::NOT_FOUND, format!("no actor method {other:?}")).into_response(),
    }
}

async fn reminded(
    State(app): Shared,
    Path((_, id, name)): Path<(String, String, String)>,
) -> StatusCode {
    kept(&app, json!({"actor": id, "reminder": name})).await
}

async fn job(State(app): Shared, Path(name): Path<String>) -> StatusCode {
    kept(&app, json!({"job": name})).await
}

/// Keeps what happened; daprd comes again if that fails.
async fn kept(app: &App, event: Value) -> StatusCode {
    match app.record(event).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests;
