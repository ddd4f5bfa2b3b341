//! Supervised tasks: each has a name, and its end is seen.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Any error of a task, with its causes.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The end of a task.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the task was called.
    pub(crate) name: &'static str,
    /// `Ok` if it returned by itself.
    pub(crate) result: Result<(), BoxError>,
}

/// Where tasks are started; the receiver of [`Tasks::new`] sees their ends.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    running: Arc<Mutex<Vec<&'static str>>>,
    ended: mpsc::UnboundedSender<Ended>,
}

// === impl Tasks ===

impl Tasks {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Ended>) {
        let (ended, ends) = mpsc::unbounded_channel();
        let tasks = Self {
            tracker: TaskTracker::new(),
            running: Arc::default(),
            ended,
        };
        (tasks, ends)
    }

    /// Starts a task; its result, or its panic, goes to the receiver.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that spawns"
    )]
    pub(crate) fn spawn<F, E>(&self, name: &'static str, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.running.lock().push(name);
        let task = tokio::spawn(async move { future.await.map_err(Into::into) });
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let result = task.await.unwrap_or_else(|panic| Err(panic.into()));
            tasks.finish(Ended { name, result });
        });
    }

    fn finish(&self, ended: Ended) {
        let mut running = self.running.lock();
        if let Some(index) = running.iter().position(|name| *name == ended.name) {
            running.swap_remove(index);
        }
        // Nobody listens once the drain is over; then the end is of no interest.
        let _ = self.ended.send(ended);
    }

    /// Ends when every task has ended; no task may start afterwards.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The names of the tasks that still run.
    pub(crate) fn running(&self) -> Vec<&'static str> {
        self.running.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_ends_and_panics_by_name() {
        let (tasks, mut ends) = Tasks::new();
        tasks.spawn("fails", async { Err(std::io::Error::other("broken")) });
        let ended = ends.recv().await.unwrap();
        assert_eq!(ended.name, "fails");
        assert_eq!(ended.result.unwrap_err().to_string(), "broken");

        tasks.spawn::<_, BoxError>("panics", async { panic!("lost") });
        let ended = ends.recv().await.unwrap();
        assert!(ended.result.unwrap_err().to_string().contains("panic"));
        assert!(tasks.running().is_empty());
    }

    #[tokio::test]
    async fn waits_for_all() {
        let (tasks, _ends) = Tasks::new();
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("waits", wait);
        assert_eq!(tasks.running(), ["waits"]);
        go.send(()).unwrap();
        tasks.ended().await;
        assert!(tasks.running().is_empty());
    }
}
