//! Conversion of Subscriptions, and validation of resources, for the API server.

mod bundle;
mod validation;

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use identity::tls::{Clients, server};
use identity::{Identity, Listener};
use operator_core::{conversion, validation as decision};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use bundle::keep_bundle;
pub(crate) use validation::keep_validation;

/// Why conversions are not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// The address is taken or not ours.
    #[error("listen for conversions on {0:?}")]
    Listen(Vec<SocketAddr>, #[source] std::io::Error),
    /// No TLS.
    #[error("set up TLS for conversions")]
    Tls(#[from] rustls::Error),
    /// The server ended by itself.
    #[error("serve conversions")]
    Serve(#[from] std::io::Error),
}

/// Serves conversions, and validations if so asked, until `stopping`, as soon as there is an identity to serve them with.
pub(crate) async fn serve(
    addresses: Vec<SocketAddr>,
    identity: Identity,
    validate: bool,
    stopping: CancellationToken,
) -> Result<(), WebhookError> {
    if stopping
        .run_until_cancelled(identity.ready())
        .await
        .is_none()
    {
        return Ok(());
    }
    let tls = server(&identity, Clients::Any, &[])?;
    let listener = Listener::bind(&addresses, Some(tls)).await;
    let listener = listener.map_err(|error| WebhookError::Listen(addresses, error))?;
    axum::serve(listener, router(validate))
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await?;
    Ok(())
}

/// A review holds all objects of a list, so its size has no limit here; only the API server is
/// told where this is.
fn router(validate: bool) -> Router {
    let router = Router::new().route("/convert", any(convert));
    let router = if validate {
        router.route("/validate", any(self::validate))
    } else {
        router
    };
    router.layer(DefaultBodyLimit::disable())
}

async fn convert(body: Bytes) -> Response {
    answer(&body, conversion::answer)
}

async fn validate(body: Bytes) -> Response {
    answer(&body, decision::answer)
}

fn answer(body: &[u8], decide: fn(Value) -> Option<Value>) -> Response {
    match serde_json::from_slice(body).ok().and_then(decide) {
        Some(answer) => Json(answer).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use rstest::rstest;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;

    async fn post(path: &str, body: String) -> (StatusCode, Value) {
        let request = Request::post(path).body(Body::from(body)).unwrap();
        let response = router(true).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn a_review_is_answered() {
        let review = json!({"kind": "ConversionReview", "request": {
            "uid": "u",
            "desiredAPIVersion": "dapr.io/v2alpha1",
            "objects": [{"apiVersion": "dapr.io/v1alpha1", "kind": "Subscription", "spec": {"route": "/a"}}],
        }});
        let (status, answer) = post("/convert", review.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            answer["response"]["convertedObjects"][0]["apiVersion"],
            "dapr.io/v2alpha1"
        );
    }

    #[tokio::test]
    async fn a_resource_is_judged() {
        let review = json!({"kind": "AdmissionReview", "request": {
            "uid": "u",
            "kind": {"group": "dapr.io", "kind": "Component"},
            "object": {"spec": {"type": "stat.redis"}},
        }});
        let (status, answer) = post("/validate", review.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["response"]["allowed"], false);
    }

    #[tokio::test]
    async fn nothing_is_judged_where_that_is_not_wanted() {
        let request = Request::post("/validate").body(Body::empty()).unwrap();
        let response = router(false).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    #[rstest]
    #[case("/convert", "{", StatusCode::BAD_REQUEST)]
    #[case("/validate", "{}", StatusCode::BAD_REQUEST)]
    #[case("/convert", "{}", StatusCode::BAD_REQUEST)]
    #[case("/other", "{}", StatusCode::NOT_FOUND)]
    #[tokio::test]
    async fn the_rest_is_refused(
        #[case] path: &str,
        #[case] body: &str,
        #[case] expected: StatusCode,
    ) {
        assert_eq!(post(path, body.to_owned()).await.0, expected);
    }
}
