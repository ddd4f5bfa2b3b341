//! Events about pods that asked for a sidecar and have none, written aside from the reviews.

use std::{convert::Infallible, time::Duration};

use injector_core::Notice;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Notices that may wait; more are only logged.
const QUEUE: usize = 256;
/// Between two Events, so that a flood of bad pods doesn't become a flood of calls.
const PACE: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where reviews leave their notices. Never waits.
#[derive(Clone, Debug)]
pub struct Events(mpsc::Sender<Notice>);

/// A queue of notices: its entrance, and the end that [`publish`] empties.
pub fn queue() -> (Events, mpsc::Receiver<Notice>) {
    let (entrance, exit) = mpsc::channel(QUEUE);
    (Events(entrance), exit)
}

/// The name under which Events are written.
pub fn reporter() -> Reporter {
    Reporter::from("dapr.io/sidecar-injector")
}

/// Writes Events until `stopping`. A repeated one is counted up by the API.
///
/// # Errors
/// Never.
pub async fn publish(
    recorder: Recorder,
    mut notices: mpsc::Receiver<Notice>,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            notice = notices.recv() => match notice {
                Some(notice) => write(&recorder, notice).await,
                None => stopping.cancelled().await,
            },
        }
    }
}

async fn write(recorder: &Recorder, notice: Notice) {
    let event = Event {
        type_: EventType::Warning,
        reason: notice.reason.into(),
        note: Some(notice.note),
        action: "Inject".into(),
        secondary: None,
    };
    match timeout(TIMEOUT, recorder.publish(&event, &notice.regarding)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(error, "an Event could not be written");
        }
        Err(_) => tracing::warn!("an Event could not be written in time"),
    }
    sleep(PACE).await;
}

// === impl Events ===

impl Events {
    /// Leaves a notice, if there is one and the queue is not full.
    pub(crate) fn leave(&self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        if self.0.try_send(notice).is_err() {
            tracing::debug!("too many Events are waiting; leaving one out");
        }
    }
}
