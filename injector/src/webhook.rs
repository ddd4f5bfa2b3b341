//! `/mutate`: from a posted review to its answer (Dapr: `pkg/injector/service/handler.go`).

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::any,
};
use identity::TrustAnchors;
use injector_core::{
    Callers, Candidate, Cluster, Component, Denial, Facts, Injection, Notice, Review, Skip,
    Verdict, Warning,
    shared::{Binding, take_over},
    triage,
};
use serde_json::{Value, value::RawValue};
use tokio::sync::watch;

use crate::{
    Kubernetes, Metrics, events::Events, kubernetes::CallError, metrics::Reason,
    namespaces::Namespaces,
};

/// The kind beside pods that is reviewed: `OpenFunction`'s.
const FUNCTION: &str = "Function";
/// The API server takes objects of 3 MiB; a review adds little to that.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// All that the webhook needs to answer.
pub struct Webhook {
    /// What shapes the sidecars.
    pub cluster: Cluster,
    /// Who may have pods injected.
    pub callers: Callers,
    /// The roots that sidecars are told.
    pub anchors: TrustAnchors,
    /// Whether sidecars speak mTLS to each other.
    pub mtls: watch::Receiver<bool>,
    /// Whether sidecars show sentry a projected token.
    pub identity_token: bool,
    /// What namespaces say about their pods.
    pub namespaces: Namespaces,
    /// Where reasons are left.
    pub events: Events,
    /// Where Components are listed.
    pub kubernetes: Kubernetes,
    /// What is counted.
    pub metrics: Metrics,
}

/// Why a candidate was not injected.
enum Failure {
    Denied(Denial),
    Json(serde_json::Error),
}

/// The webhook's paths.
pub fn router(webhook: Webhook) -> Router {
    Router::new()
        .route("/mutate", any(mutate))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(webhook))
}

async fn mutate(
    State(webhook): State<Arc<Webhook>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    webhook.metrics.requested();
    match json_body(&headers, body) {
        Ok(body) => webhook.answer(&body).await,
        Err(refusal) => refusal,
    }
}

#[expect(clippy::result_large_err, reason = "the error is the response itself")]
fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Response> {
    let body = body.map_err(IntoResponse::into_response)?;
    if body.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "the body is empty").into_response());
    }
    if headers
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind != "application/json")
    {
        let text = "the Content-Type must be application/json";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response());
    }
    Ok(body)
}

// === impl Webhook ===

impl Webhook {
    async fn answer(&self, body: &[u8]) -> Response {
        match Review::read(body) {
            Ok(review) => self.decide(review).await,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "unreadable review"
                );
                self.metrics.failed(String::new(), Reason::Patch);
                Json(injector_core::Response::unreadable(&error)).into_response()
            }
        }
    }

    async fn decide(&self, review: Review<'_>) -> Response {
        if review.request.kind.kind == FUNCTION {
            return self.take_over(review);
        }
        let defaults = self.namespaces.defaults(&review.request.namespace);
        let triage = triage(&review.request, &self.callers, &self.cluster, &defaults);
        let app_id = triage.app_id;
        match triage.verdict {
            Verdict::Skip(skip, warnings) => self.skip(review, app_id, skip, &warnings),
            Verdict::Deny(denial) => self.deny(review, app_id, &denial),
            Verdict::Inject(candidate) => match self.inject(*candidate).await {
                Ok(injection) => self.patch(review, app_id, &injection, |app_id| {
                    self.metrics.succeeded(app_id);
                }),
                Err(Failure::Denied(denial)) => self.deny(review, app_id, &denial),
                Err(Failure::Json(error)) => self.unwritable(app_id, &error),
            },
            Verdict::Bind(binding) => self.bind(review, *binding),
        }
    }

    async fn inject(&self, candidate: Candidate) -> Result<Injection, Failure> {
        let components = self.components(&candidate).await?;
        let facts = Facts {
            trust_anchors: self.anchors.ready().await.pem().to_owned(),
            mtls: *self.mtls.borrow(),
            identity_token: self.identity_token,
        };
        candidate
            .inject(&self.cluster, &facts, &components)
            .map_err(Failure::Json)
    }

    async fn components(&self, candidate: &Candidate) -> Result<Vec<Component>, Failure> {
        if !candidate.wants_components() {
            return Ok(Vec::new());
        }
        let denied = |error: CallError| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "components are needed"
            );
            Failure::Denied(Denial::Components(error.to_string()))
        };
        self.kubernetes
            .components(candidate.namespace())
            .await
            .map_err(denied)
    }

    /// One that can't be read is `OpenFunction`'s to refuse.
    fn take_over(&self, review: Review<'_>) -> Response {
        let function = review.request.object.map(RawValue::get).unwrap_or_default();
        let function: Value = serde_json::from_str(function).unwrap_or_default();
        match take_over(&function) {
            Ok(injection) => self.patch(review, String::new(), &injection, drop),
            Err(error) => self.unwritable(String::new(), &error),
        }
    }

    fn bind(&self, review: Review<'_>, binding: Binding) -> Response {
        let (app_id, mode) = (binding.names().app_id().to_owned(), binding.mode());
        match binding.bind(&self.cluster) {
            Ok(injection) => {
                // At a second review it is bound already.
                let is_new = !injection.patch.is_empty();
                self.patch(review, app_id, &injection, |_| {
                    if is_new {
                        self.metrics.bound(mode);
                    }
                })
            }
            Err(error) => self.unwritable(app_id, &error),
        }
    }

    fn skip(
        &self,
        review: Review<'_>,
        app_id: String,
        skip: Skip,
        warnings: &[Warning],
    ) -> Response {
        self.events
            .leave(Notice::skipped(&review.request, warnings));
        if matches!(skip, Skip::NotAPod | Skip::Unauthorized) {
            let user = &review.request.user_info.username;
            let namespace = &review.request.namespace;
            tracing::error!(app_id, namespace, user, "no sidecar: {skip}");
            self.metrics.failed(app_id, Reason::PodPatch);
        } else {
            log_warnings(&app_id, warnings);
        }
        Json(review.allow(warnings)).into_response()
    }

    fn deny(&self, review: Review<'_>, app_id: String, denial: &Denial) -> Response {
        tracing::error!(
            app_id,
            namespace = review.request.namespace,
            "pod refused: {denial}"
        );
        self.events.leave(Notice::refused(&review.request, denial));
        self.metrics.failed(app_id, Reason::Patch);
        Json(review.deny(denial)).into_response()
    }

    fn patch(
        &self,
        review: Review<'_>,
        app_id: String,
        injection: &Injection,
        count: impl FnOnce(String),
    ) -> Response {
        log_warnings(&app_id, &injection.warnings);
        match review.patch(injection) {
            Ok(answer) => {
                count(app_id);
                Json(answer).into_response()
            }
            Err(error) => self.unwritable(app_id, &error),
        }
    }

    fn unwritable(&self, app_id: String, error: &serde_json::Error) -> Response {
        tracing::error!(%error, app_id, "the patch could not be written");
        self.metrics.failed(app_id, Reason::Response);
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the patch could not be written",
        )
            .into_response()
    }
}

/// Most pods come from a controller, whose user never sees the warnings of a response.
fn log_warnings(app_id: &str, warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(app_id, "{warning}");
    }
}
