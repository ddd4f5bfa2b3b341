//! Sidecars that wait for changes.

use anyhow::{Context, Result};
use futures::{
    StreamExt, TryStreamExt,
    future::{join_all, try_join_all},
    stream::{BoxStream, once},
};
use proto::operator::v1::{ComponentUpdateEvent, ComponentUpdateRequest};
use tokio::time::{Duration, timeout};
use tonic::{Response, Status};

use super::Sidecars;
use crate::service::NAMESPACE;

/// A change takes longer only if it is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Streams are there by then.
const OPENING: Duration = Duration::from_secs(2);

/// Streams of changes, each on a connection of its own. The original answers a request with its
/// first event, so that opening a stream is a part of waiting for it.
pub(super) struct Crowd(Vec<BoxStream<'static, Result<ComponentUpdateEvent, Status>>>);

// === impl Crowd ===

impl Crowd {
    pub(super) async fn gather(sidecars: &Sidecars, size: usize) -> Result<Self> {
        let mut streams = Vec::new();
        for _ in 0..size {
            let mut client = sidecars.connect().await?;
            let namespace = NAMESPACE.to_owned();
            let request = ComponentUpdateRequest { namespace };
            let opened = async move { client.component_update(request).await };
            let events = once(opened).map_ok(Response::into_inner).try_flatten();
            streams.push(events.boxed());
        }
        let mut crowd = Self(streams);
        crowd.open().await;
        Ok(crowd)
    }

    /// Asks for the streams, and drops what they are told at once, which is no change.
    async fn open(&mut self) {
        let each = self.0.iter_mut().map(async |stream| {
            while timeout(OPENING, stream.next())
                .await
                .is_ok_and(|event| event.is_some())
            {}
        });
        join_all(each).await;
    }

    /// Waits until every stream was told of so many changes.
    pub(super) async fn told(&mut self, changes: usize) -> Result<()> {
        let each = self.0.iter_mut().map(async |stream| {
            for _ in 0..changes {
                stream.next().await.context("a stream ended")??;
            }
            Ok(())
        });
        let all = timeout(PATIENCE, try_join_all(each)).await;
        all.context("not every stream was told")?.map(drop)
    }
}
