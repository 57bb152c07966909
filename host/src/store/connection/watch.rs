//! Detects connections on which no answer can arrive any more.
//!
//! A firewall that drops a connection, or a server that vanishes with its machine, sends no notice: a
//! client that waits for an answer waits for hours. Only the server knows whether a statement is merely
//! slow: if an answer is overdue, the state of the process at the other end is queried on a separate
//! connection. If that process has ended, or waits for the client as the client waits for it, it will
//! not answer any more, and the connection is closed at both ends: a transaction that stayed open at
//! the other end would block a client that sends the same rows again. The calls in progress fail as
//! with any lost connection, and can be retried.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio_postgres::SimpleQueryMessage;

use super::connect::{Connector, NewConnection};
use super::session::KnownTypes;
use crate::backoff::{Backoff, RetryPolicy};
use crate::lock::lock;

/// The time after which a missing answer is checked.
const OVERDUE_AFTER: Duration = Duration::from_secs(5);

/// The same for a server that reads or writes, which can be at the end of a slow line.
const TRANSFER_TIME: Duration = Duration::from_secs(300);

/// How long the check can take, with the connection that it needs.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// The longest pause between two checks of one answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The server of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The server process of this connection, if no pooler is in front of it.
    pub(super) process: i32,
    /// The server's start time, as the server writes it: it distinguishes servers.
    pub(super) server_started: String,
    /// Whether every other connection leads to the same server, or to one that has taken its place.
    pub(super) only_one: bool,
}

/// The calls of a connection that wait for an answer.
#[derive(Debug)]
pub(super) struct PendingCalls(Mutex<Calls>);

#[derive(Debug)]
struct Calls {
    in_progress: usize,
    /// When the first of them began, or the last answer arrived.
    since: Instant,
}

impl Default for PendingCalls {
    fn default() -> Self {
        PendingCalls(Mutex::new(Calls { in_progress: 0, since: Instant::now() }))
    }
}

impl PendingCalls {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.0)
    }

    /// Registers a call, which waits for its answer until the returned value is dropped.
    pub(super) fn begin(&self) -> Call<'_> {
        let mut calls = self.calls();
        if calls.in_progress == 0 {
            calls.since = Instant::now();
        }
        calls.in_progress += 1;
        Call(self)
    }

    /// Returns for how long no answer has arrived, if any call waits.
    fn waited(&self) -> Option<Duration> {
        let calls = self.calls();
        (calls.in_progress > 0).then(|| calls.since.elapsed())
    }
}

/// A call that waits for its answer.
#[derive(Debug)]
pub(super) struct Call<'u>(&'u PendingCalls);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        calls.in_progress -= 1;
        calls.since = Instant::now();
    }
}

/// Closes a connection on which no answer can arrive any more; runs while the connection is in use.
pub(super) async fn watch(
    connector: Arc<Connector>,
    types: KnownTypes,
    origin: Origin,
    pending: Weak<PendingCalls>,
    connection: AbortHandle,
) {
    let mut backoff = Backoff::new(RetryPolicy::exact(OVERDUE_AFTER, LONGEST_PAUSE));
    loop {
        tokio::time::sleep(backoff.next_pause()).await;
        let Some(waited) = pending.upgrade().map(|pending| pending.waited()) else {
            return;
        };
        if waited.is_none_or(|waited| waited < OVERDUE_AFTER) {
            backoff.reset();
            continue;
        }
        let lost = is_lost(&connector, &types, &origin, &pending);
        if tokio::time::timeout(ASKED_WITHIN, lost).await.unwrap_or(false) {
            tracing::warn!(target: "arc_host::store", process = origin.process, "a connection to the database has stopped answering, and is ended");
            connection.abort();
            return;
        }
        // The statement is slow, or the server cannot be queried: the next pause is longer.
    }
}

/// The state of the process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has ended, so no answer will arrive.
    Gone,
    /// It is idle, and waits for the next statement.
    Idle,
    /// It reads a request, or writes an answer.
    Transferring,
    /// It works, or its state is unknown.
    Busy,
}

impl State {
    /// Whether no answer can arrive after this duration without one.
    fn is_lost(self, waited: Duration) -> bool {
        match self {
            State::Gone | State::Idle => waited >= OVERDUE_AFTER,
            State::Transferring => waited >= TRANSFER_TIME,
            State::Busy => false,
        }
    }
}

/// Whether no answer can arrive any more; in that case, the process at the other end is ended, too.
async fn is_lost(
    connector: &Connector,
    types: &KnownTypes,
    origin: &Origin,
    pending: &Weak<PendingCalls>,
) -> bool {
    let Ok(NewConnection { session, origin: asked, task, .. }) = connector.connect(types).await
    else {
        return false;
    };
    let _abort = AbortOnDrop(task);
    let Some(asked) = asked else { return false };
    let same = asked.server_started == origin.server_started;
    let state = if same {
        let found = session.client().simple_query(&activity(origin.process)).await;
        found.map_or(State::Busy, |messages| state(&messages))
    } else if origin.only_one {
        // Another server has taken its place.
        State::Gone
    } else {
        State::Busy
    };
    // The answer might have arrived in the meantime.
    let waited = pending.upgrade().and_then(|pending| pending.waited());
    let lost = waited.is_some_and(|waited| state.is_lost(waited));
    if lost && same {
        let end = format!("SELECT pg_catalog.pg_terminate_backend({})", origin.process);
        // A process that has ended in the meantime need not be ended.
        let _ = session.client().simple_query(&end).await;
    }
    lost
}

/// Aborts the task of the separate connection when it is dropped.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn activity(process: i32) -> String {
    format!(
        "SELECT state, wait_event,
             pg_catalog.clock_timestamp() - state_change > '{} seconds'::interval
         FROM pg_catalog.pg_stat_activity WHERE pid = {process}",
        OVERDUE_AFTER.as_secs()
    )
}

fn state(messages: &[SimpleQueryMessage]) -> State {
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some([row.get(0), row.get(1), row.get(2)]),
        _ => None,
    });
    match row {
        None => State::Gone,
        Some([Some(state), _, Some("t")]) if state.starts_with("idle") => State::Idle,
        Some([Some("active"), Some("ClientRead" | "ClientWrite"), _]) => State::Transferring,
        Some(_) => State::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_pending_until_they_are_answered() {
        let pending = PendingCalls::default();
        assert_eq!(pending.waited(), None);
        let first = pending.begin();
        let second = pending.begin();
        assert!(pending.waited().is_some());
        drop(first);
        assert!(pending.waited().is_some());
        drop(second);
        assert_eq!(pending.waited(), None);
    }

    #[test]
    fn a_server_that_works_is_waited_for() {
        let long = Duration::from_secs(3_600);
        assert!(!State::Busy.is_lost(long));
        assert!(State::Transferring.is_lost(long) && !State::Transferring.is_lost(OVERDUE_AFTER));
        assert!(State::Gone.is_lost(OVERDUE_AFTER) && State::Idle.is_lost(OVERDUE_AFTER));
    }
}
