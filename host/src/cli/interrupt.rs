//! The signals that ask a command to end, SIGINT (Ctrl-C) and SIGTERM, and the one that asks a service to
//! read its settings again, SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::CommandStatus;
use super::output;
use crate::error::{Error, Result};

/// The time that a command has to end after a signal. Then the process exits: acknowledged results
/// are committed, and running the same command again does the rest.
pub(super) const STOPPING: Duration = Duration::from_secs(20);

/// Receives SIGHUP, by which a service is asked to read its settings again.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Starts to listen; from now on the signal no longer ends the process.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn listen() -> Result<Self> {
        listen(SignalKind::hangup()).map(Hangups)
    }

    /// Waits for the next signal; `false` if there can be none.
    pub(super) async fn recv(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Error::io("could not listen for signals", error))
}

/// Receives the signals that ask a command to end.
pub(super) struct Interrupts {
    interrupts: Signal,
    terminations: Signal,
}

impl Interrupts {
    /// Starts to listen; from now on the signals no longer end the process.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn listen() -> Result<Self> {
        Ok(Interrupts {
            interrupts: listen(SignalKind::interrupt())?,
            terminations: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
        }
    }

    /// Ends the process at the next signal.
    pub(super) async fn exit_at_next(mut self) {
        self.recv().await;
        std::process::exit(i32::from(CommandStatus::Interrupted.exit_code()));
    }
}

/// Lets the batches in progress finish after the first signal, for a limited time. A second signal
/// ends the program, and so does the first while nothing is recorded, for example while standard
/// input has no data.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn stop_on_interrupt(stop: Arc<AtomicBool>, recording: Arc<AtomicBool>) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    tokio::spawn(async move {
        interrupts.recv().await;
        if stop.swap(true, Ordering::Relaxed) || !recording.load(Ordering::Relaxed) {
            std::process::exit(i32::from(CommandStatus::Interrupted.exit_code()));
        }
        output::note("stopping after the results in progress; Ctrl-C again ends at once");
        exit_after(STOPPING, CommandStatus::Interrupted);
        interrupts.exit_at_next().await;
    });
    Ok(())
}

/// Ends the process after this time, regardless of its other threads. The wait has a thread of its
/// own, because a component that computes can occupy those of the runtime.
pub(super) fn exit_after(limit: Duration, done: CommandStatus) {
    let wait = move || {
        std::thread::sleep(limit);
        output::warn("the work in progress did not end in time, and is interrupted");
        std::process::exit(i32::from(done.exit_code()));
    };
    // If the system has no thread left, the process ends without a time limit.
    let _ = std::thread::Builder::new().name("arc-shutdown".to_owned()).spawn(wait);
}
