//! List, then watch, for ever.
//!
//! `kube::runtime::watcher` gives up on a list without a resource version; Dapr's test harness,
//! and some aggregated API servers, serve such lists. This loop follows client-go instead: list,
//! watch from there, watch again where the watch ended, list anew when it was refused or when it
//! ended at once without a word.

use std::{
    fmt::Debug,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_stream::stream;
use futures::{Stream, StreamExt};
use kube::{
    Api, Error, Resource, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// A change of what is watched.
#[derive(Debug, Clone)]
pub enum Event<K> {
    /// All there is; what is not in it is gone.
    Reset(Vec<K>),
    /// An object as it is now.
    Apply(K),
    /// An object as it was when it went.
    Delete(K),
}

/// A list in pages of this size keeps the peak of memory low.
const PAGE: u32 = 500;

/// A watch that ends sooner than this without an event brought no news: list again.
const SHORT: Duration = Duration::from_secs(1);

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Follows the objects of `api` that `params` selects. The stream never ends; errors are logged
/// and retried, later each time, with jitter.
pub fn watch<K>(api: Api<K>, params: ListParams) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    stream! {
        let mut wait = FIRST_WAIT;
        loop {
            match list(&api, &params).await {
                Ok((version, objects)) => {
                    wait = FIRST_WAIT;
                    yield Event::Reset(objects);
                    let events = follow(&api, &params, version);
                    for await event in events {
                        yield event;
                    }
                }
                Err(error) => {
                    report::<K>("listing failed; retrying", &error);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            tokio::time::sleep(jittered(wait)).await;
        }
    }
}

/// All objects, and the resource version to watch from; empty if the server gave none.
async fn list<K>(api: &Api<K>, params: &ListParams) -> Result<(String, Vec<K>), Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut params = params.clone().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = api.list(&params).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok((page.metadata.resource_version.unwrap_or_default(), objects)),
        }
    }
}

/// The events after `version`. Ends when a new list is needed.
fn follow<K>(
    api: &Api<K>,
    params: &ListParams,
    mut version: String,
) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    stream! {
        let params = watch_params(params);
        loop {
            let (begun, mut silent) = (Instant::now(), true);
            let mut events = match api.watch(&params, &version).await {
                Ok(events) => pin!(events),
                Err(error) => {
                    report::<K>("watching failed; listing again", &error);
                    return;
                }
            };
            while let Some(event) = events.next().await {
                silent = false;
                match step(event, &mut version) {
                    Ok(Some(event)) => yield event,
                    Ok(None) => {}
                    Err(error) => {
                        report::<K>("the watch broke; listing again", &error);
                        return;
                    }
                }
            }
            if silent && begun.elapsed() < SHORT {
                return;
            }
        }
    }
}

/// One event of the API server as ours; moves `version` on.
fn step<K: Resource>(
    event: Result<WatchEvent<K>, Error>,
    version: &mut String,
) -> Result<Option<Event<K>>, Error> {
    let mut advance =
        |object: &K| version.clone_from(&object.resource_version().unwrap_or_default());
    match event? {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            advance(&object);
            Ok(Some(Event::Apply(object)))
        }
        WatchEvent::Deleted(object) => {
            advance(&object);
            Ok(Some(Event::Delete(object)))
        }
        WatchEvent::Bookmark(bookmark) => {
            *version = bookmark.metadata.resource_version;
            Ok(None)
        }
        WatchEvent::Error(status) => Err(Error::Api(status)),
    }
}

fn watch_params(params: &ListParams) -> WatchParams {
    WatchParams {
        label_selector: params.label_selector.clone(),
        field_selector: params.field_selector.clone(),
        bookmarks: true,
        ..WatchParams::default()
    }
}

fn report<K>(message: &'static str, error: &Error) {
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::warn!(error, kind = std::any::type_name::<K>(), "{message}");
}

/// Between half of `wait` and one and a half, so that replicas do not ask in step. The clock's
/// nanoseconds are random enough for that.
fn jittered(wait: Duration) -> Duration {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    wait / 2 + wait.mul_f64(f64::from(nanos % 1_000_000) / 1_000_000.0)
}
