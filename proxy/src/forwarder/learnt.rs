//! What daprd asks the app once: remembered, and asked again of each endpoint that comes.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts, response::Parts as Head};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use proxy_core::learnt::{Digest, Learnt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Forwarder;
use crate::{
    answer::Refusal,
    body::{Body, Lent},
    headers,
};

/// An endpoint may take so long for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until an endpoint without an answer is asked again.
const RETRY: Duration = Duration::from_secs(5);

/// The questions as daprd asked them, by path, and the answers.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: Mutex<BTreeMap<String, Parts>>,
    learnt: Mutex<Learnt<String>>,
}

/// An answer that was read to its end.
struct Read {
    head: Head,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

// === impl Read ===

impl Read {
    async fn all(answer: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = answer.into_parts();
        let body = body.collect().await?;
        Ok(Self {
            head,
            trailers: body.trailers().cloned(),
            bytes: body.to_bytes(),
        })
    }
}

// === impl Forwarder ===

impl Forwarder {
    /// Remembers what daprd is answered.
    pub(super) async fn remember(
        &self,
        parts: &Parts,
        answer: Response<Incoming>,
    ) -> Response<Body> {
        let Ok(Read {
            head,
            bytes,
            trailers,
        }) = Read::all(answer).await
        else {
            let grpc = headers::is_grpc(&parts.headers);
            return Refusal::Broken.answer(grpc, "the app's endpoint broke off");
        };
        if let Some(digest) = digest(&head, &bytes, trailers.as_ref()) {
            let path = parts.uri.path().to_owned();
            self.questions
                .asked
                .lock()
                .insert(path.clone(), parts.clone());
            self.questions.learnt.lock().learn(path, digest);
            self.changes.send_replace(());
        }
        let body = Full::new(bytes).with_trailers(async { trailers.map(Ok) });
        Response::from_parts(head, body.map_err(|never| match never {}).boxed_unsync())
    }

    /// Asks every endpoint what daprd asked, until `stopping`, and says so when all of them agree on
    /// other answers.
    pub async fn compare(self: Arc<Self>, stopping: CancellationToken) {
        let Some(exclusive) = self.exclusive.clone() else {
            return stopping.cancelled().await;
        };
        let mut changes = self.changes.subscribe();
        loop {
            let ready = self.state.lock().pool.ready();
            let asked = self.ask_all(&ready);
            let Some(all_answered) = stopping.run_until_cancelled(asked).await else {
                return;
            };
            let news = self.questions.learnt.lock().news(&ready);
            if let Some(news) = news {
                exclusive.wish(news);
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                // The sender is part of the forwarder, which this holds.
                _ = changes.changed() => {}
                () = sleep(RETRY), if !all_answered => {}
            }
        }
    }

    async fn ask_all(&self, ready: &[SocketAddr]) -> bool {
        let open = self.questions.learnt.lock().open(ready);
        let mut all_answered = true;
        for (endpoint, path) in open {
            let Some(parts) = self.questions.asked.lock().get(&path).cloned() else {
                continue;
            };
            // An app that says something else each time would never be settled.
            let (one, other) = (
                self.ask(endpoint, &parts).await,
                self.ask(endpoint, &parts).await,
            );
            let mut learnt = self.questions.learnt.lock();
            match (one, other) {
                (Some(one), Some(other)) if one == other => learnt.hear(endpoint, path, one),
                (Some(_), Some(_)) => {
                    tracing::warn!(%endpoint, path, "the app answers otherwise each time");
                    learnt.excuse(endpoint, path);
                }
                _ => all_answered = false,
            }
        }
        all_answered
    }

    async fn ask(&self, endpoint: SocketAddr, parts: &Parts) -> Option<Digest> {
        let body = if headers::is_grpc(&parts.headers) {
            // An empty message: not compressed, no bytes long.
            Lent::Own(Bytes::from_static(&[0; 5]).into())
        } else {
            Lent::empty()
        };
        let asked = async {
            let answer = self.upstream.send(endpoint, parts, body).await.ok()?;
            let answer = Read::all(answer).await.ok()?;
            digest(&answer.head, &answer.bytes, answer.trailers.as_ref())
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}

/// None if the app could not answer.
fn digest(head: &Head, bytes: &Bytes, trailers: Option<&HeaderMap>) -> Option<Digest> {
    if !headers::is_grpc(&head.headers) {
        let answered = !head.status.is_server_error();
        return answered.then(|| Digest::of_http(head.status.as_u16(), bytes));
    }
    let status = |headers: &HeaderMap| headers.get("grpc-status").cloned();
    let status = trailers
        .and_then(status)
        .or_else(|| status(&head.headers))?;
    match status.as_bytes() {
        b"0" => Some(Digest::of_grpc(None, bytes.get(5..)?)),
        // The app has no such method.
        b"12" => Some(Digest::of_grpc(Some(b"12"), &[])),
        _ => None,
    }
}
