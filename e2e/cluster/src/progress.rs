use anyhow::Result;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a step may be silent.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Tells a person what is going on: a line per step, and a sign of life during long ones.
///
/// Lines go to standard error, so that a command's result on standard output stays clean.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress;

impl Progress {
    /// Does `work`, saying how long it took, and every ten seconds that it still goes on.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn step<T>(self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            scope.spawn(move || beat(what, start, &end));
            let result = work();
            drop(ended);
            result
        });
        let mark = if result.is_ok() { "done" } else { "FAILED" };
        line(mark, what, start);
        result
    }

    /// Says something that takes no time.
    pub fn note(self, text: &str) {
        eprintln!("  {text}");
    }
}

fn beat(what: &str, start: Instant, end: &mpsc::Receiver<()>) {
    while end.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
        line("...", what, start);
    }
}

fn line(mark: &str, what: &str, start: Instant) {
    eprintln!(
        "  {mark:<6} {what} ({:.1} s)",
        start.elapsed().as_secs_f32()
    );
}
