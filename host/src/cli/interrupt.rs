//! The signals with which a command is asked to end: SIGINT (Ctrl-C) and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Done;
use super::output;
use crate::error::{Error, Result};

/// How long a command may take to end after it was asked to. Then it ends as it is: what it has
/// acknowledged is committed, and the same command again does the rest.
pub(super) const STOPPING: Duration = Duration::from_secs(20);

/// Receives both signals.
pub(super) struct Interrupts {
    interrupts: Signal,
    terminations: Signal,
}

impl Interrupts {
    /// Listens from now on: the signals do not end the process any more.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn listen() -> Result<Self> {
        let listen =
            |kind| signal(kind).map_err(|error| Error::io("could not listen for signals", error));
        Ok(Interrupts {
            interrupts: listen(SignalKind::interrupt())?,
            terminations: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
        }
    }

    /// Ends the process at the next of them.
    pub(super) async fn exit_at_next(mut self) {
        self.recv().await;
        std::process::exit(i32::from(Done::Interrupted.exit_code()));
    }
}

/// Lets the batches that are under way end at the first signal, for a time; a second one ends the
/// program, and so does the first while nothing is recorded, such as on standard input that does not
/// end.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn stop_on_interrupt(stop: Arc<AtomicBool>, recording: Arc<AtomicBool>) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    tokio::spawn(async move {
        interrupts.recv().await;
        if stop.swap(true, Ordering::Relaxed) || !recording.load(Ordering::Relaxed) {
            std::process::exit(i32::from(Done::Interrupted.exit_code()));
        }
        output::note("stopping after the results that are under way; Ctrl-C again ends at once");
        exit_after(STOPPING, Done::Interrupted);
        interrupts.exit_at_next().await;
    });
    Ok(())
}

/// Ends the process after this time, whatever runs in it by then: on a thread of its own, because a
/// component that computes may keep those of the runtime.
pub(super) fn exit_after(limit: Duration, done: Done) {
    let wait = move || {
        std::thread::sleep(limit);
        output::warn("what was under way did not end in time, and is interrupted");
        std::process::exit(i32::from(done.exit_code()));
    };
    // A system that has no thread left lets it take as long as it takes.
    let _ = std::thread::Builder::new().name("arc-shutdown".to_owned()).spawn(wait);
}
