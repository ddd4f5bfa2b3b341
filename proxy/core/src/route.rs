//! What kind of call a request is, from its method and path.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::{actors::Turn, rendezvous};

/// The header by which daprd marks calls of one chain of reentrant actor calls
/// (`pkg/actors/targets/app/lock/lock.go`).
pub const REENTRANCY: &str = "dapr-reentrancy-id";

/// The header that carries the token in both directions (`pkg/security/consts/consts.go`).
pub const TOKEN: &str = "dapr-api-token";

/// The header by which daprd names the app that calls (`pkg/messaging/v1/util.go`).
const CALLER: &str = "dapr-caller-app-id";

/// The header by which an app may say whom it calls (`pkg/api/http/directmessaging.go`).
const CALLED: &str = "dapr-app-id";

/// The header that we put on calls of apps by apps, which daprd passes on. Without it a call that
/// an app makes to itself looks like an event.
pub const INVOKED: &str = "trilby-invoked";

/// Whether what daprd sends to the app is a call of an app, and so no event.
pub fn is_call(headers: &HeaderMap) -> bool {
    headers.contains_key(CALLER) || headers.contains_key(INVOKED)
}

/// Whether what an app sends to daprd is a call of an app.
pub fn is_invocation(path: &str, headers: &HeaderMap) -> bool {
    path.contains("/invoke/") || path == GRPC_INVOKE || headers.contains_key(CALLED)
}

/// What daprd asks of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppCall<'a> {
    /// Any endpoint may answer it.
    Any,
    /// Any endpoint may answer it, and daprd asks only once in its life.
    Once,
    /// Whether the app is healthy; answered here.
    Health,
    /// Only the endpoint that has the actor may answer it.
    Actor(ActorCall<'a>),
}

/// A call of an actor, over HTTP; over gRPC the app opens a stream to daprd for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorCall<'a> {
    /// Type and id as they stand in the path.
    pub path: &'a str,
    /// What stands for the actor in [`Actors`](crate::actors::Actors).
    pub actor: u64,
    /// What the call is to the actor.
    pub turn: Turn,
}

const CONFIG: &str = "/dapr/config";
const SUBSCRIBE: &str = "/dapr/subscribe";
const CALLBACK: &str = "/dapr.proto.runtime.v1.AppCallback/";
const GRPC_HEALTH: &str = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";
const GRPC_SHUTDOWN: &str = "/dapr.proto.runtime.v1.Dapr/Shutdown";
const GRPC_INVOKE: &str = "/dapr.proto.runtime.v1.Dapr/InvokeService";
const SHUTDOWN: &str = "v1.0/shutdown";
const ACTORS: &str = "/actors/";
const METHOD: &str = "/method/";

/// Reads what daprd sends to the app. `health` is the path of daprd's health checks, if they are
/// answered here; `reentrant` says that the request has the [`REENTRANCY`] header.
pub fn app_call<'a>(
    method: &str,
    path: &'a str,
    health: Option<&str>,
    reentrant: bool,
) -> AppCall<'a> {
    if let Some(call) = actor_call(method, path, reentrant) {
        return AppCall::Actor(call);
    }
    match health {
        Some(_) if path == GRPC_HEALTH => AppCall::Health,
        Some(health) if path == health && method == "GET" => AppCall::Health,
        _ if is_asked_once(method, path) => AppCall::Once,
        _ => AppCall::Any,
    }
}

fn is_asked_once(method: &str, path: &str) -> bool {
    let callback = path.strip_prefix(CALLBACK);
    (method == "GET" && (path == CONFIG || path == SUBSCRIBE))
        || callback
            .is_some_and(|name| matches!(name, "ListTopicSubscriptions" | "ListInputBindings"))
}

/// `PUT /actors/{type}/{id}/method/...`, and `DELETE /actors/{type}/{id}` to deactivate it
/// (`pkg/actors/targets/app/transport/http/http.go`). An id may hold slashes.
fn actor_call<'a>(method: &str, path: &'a str, reentrant: bool) -> Option<ActorCall<'a>> {
    let rest = path.strip_prefix(ACTORS)?;
    let (path, turn) = match (rest.split_once(METHOD), method) {
        (Some((actor, _)), _) if reentrant => (actor, Turn::Reentrant),
        (Some((actor, _)), _) => (actor, Turn::New),
        (None, "DELETE") => (rest, Turn::Deactivation),
        (None, _) => return None,
    };
    let (kind, id) = path.split_once('/')?;
    let actor = rendezvous::hash(&[kind, id]);
    (!kind.is_empty() && !id.is_empty()).then_some(ActorCall { path, actor, turn })
}

// === impl ActorCall ===

impl ActorCall<'_> {
    /// The path that deactivates the actor.
    pub fn deactivation(&self) -> String {
        format!("{ACTORS}{}", self.path)
    }
}

/// What an app asks of daprd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiCall {
    /// Needs a token.
    Call,
    /// Needs a token, and would end the daprd that others use too.
    Shutdown,
    /// Needs no token, as in daprd (`pkg/api/http/middlewares.go`).
    Health,
}

/// Reads what an app sends to daprd.
pub fn api_call(method: &str, path: &str) -> ApiCall {
    let health = || {
        matches!(
            path.trim_matches('/'),
            "v1.0/healthz" | "v1.0/healthz/outbound"
        )
    };
    if method == "POST" && (path == GRPC_SHUTDOWN || cleaned(path) == SHUTDOWN) {
        ApiCall::Shutdown
    } else if method == "GET" && health() {
        ApiCall::Health
    } else {
        ApiCall::Call
    }
}

/// The path as a lenient router reads it, so that no spelling of it gets past us: daprd cleans
/// paths before it routes.
fn cleaned(path: &str) -> String {
    let decoded: Cow<'_, str> = percent_decode_str(path).decode_utf8_lossy();
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    segments.join("/")
}
