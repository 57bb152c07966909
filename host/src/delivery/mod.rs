//! Delivery of recording calls to a destination, or, while it is unavailable, to a spool from which
//! they are replayed in order.
//!
//! Without a spool, calls go directly to the destination. With one, a call that the destination cannot
//! take is stored durably and answered as spooled. Further calls for a simulation with waiting entries
//! are queued behind them, which keeps the order; and while the destination is known to be unavailable,
//! calls do not wait for it. A result gets its id and its time of receipt before it is delivered on
//! either path, so a result that takes both is stored once.
//!
//! | module | purpose |
//! |---|---|
//! | `destination`, `source` | recording, and answering queries: a database or a service |
//! | `watch`, `replay`, `holds` | availability of the destination; delivery from the spool; held entries |
//! | `many_files`, `turns` | many files, each a simulation or all of them one; their order |
//! | `earlier_system` | import of the simulations of the earlier Python system |
//! | `whole_file`, `survey`, `file`, `file_summary` | a file as a simulation: the whole recording; the first reading; the second; the summary |

mod destination;
mod earlier_system;
mod failure_rules;
mod file;
mod file_summary;
mod holds;
mod many_files;
#[cfg(test)]
mod memory_sink;
mod replay;
mod source;
mod survey;
#[cfg(test)]
mod tests;
mod turns;
mod watch;
mod whole_file;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch as channel};
use tokio::task::AbortHandle;
use uuid::Uuid;

pub use destination::Destination;
pub(crate) use destination::Sink;
pub use earlier_system::{EarlierImport, ImportedSimulation};
pub use failure_rules::FailureRules;
pub use file::{FileRecording, Progress, Stage};
pub use file_summary::{FileFailure, FileSummary, REMEMBERED_REJECTED, RejectedItem, ResultPlace};
pub use many_files::{FailedFile, FilesRecording, FilesSummary};
pub use replay::{ReplayVerdict, SpoolReplaySummary, replay_spool};
pub use source::Source;
pub use survey::Survey;
pub use turns::Turn;
pub use whole_file::{FileIdentity, FileOptions, FileReport, RecordedFile, record_file};

use replay::Notices;

use crate::error::{Error, Result, TRY_AGAIN};
use crate::identity;
use crate::lock::lock;
use crate::recorder::{
    FailureKind, ItemVerdict, ReceivedResult, SimulationCompleted, SimulationStart,
    SimulationStarted, Submission, Verdict,
};
pub use crate::spool::{DeliveryAnswer, StartAnswer};
use crate::spool::{Entry, RequeueCounts, Spool, SpoolState, SpooledCall};
use crate::store::SimulationStatus;

/// How long a call waits for an answer before the destination is pinged.
const PING_AFTER: Duration = Duration::from_secs(1);

/// How many simulations without a start in the spool are remembered.
const MAX_WITHOUT_START: usize = 10_000;

/// How often [`Delivery::settle`] checks whether the spool is empty.
const SETTLE_POLL: Duration = Duration::from_millis(50);

/// The delivery of recording calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery<S: Sink = Destination> {
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    destination: S,
    spooling: Option<Spooling>,
}

/// The state of a delivery with a spool.
#[derive(Debug)]
struct Spooling {
    spool: Spool,
    /// Why the destination is unavailable; `None` while it is available.
    unavailable: channel::Sender<Option<String>>,
    /// Notified when a call has waited too long for an answer.
    slow_call: Arc<Notify>,
    notices: Arc<Notices>,
    /// Simulations whose start is not in the spool.
    without_start: Mutex<HashSet<Uuid>>,
    /// Locked while a start is looked up and stored in the spool.
    starts: tokio::sync::Mutex<()>,
    /// Aborted with the last clone of the delivery.
    tasks: [AbortHandle; 2],
}

impl Spooling {
    fn without_start(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        lock(&self.without_start)
    }
}

impl Drop for Spooling {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl<S: Sink> Delivery<S> {
    /// Creates a delivery without a spool.
    pub fn new(destination: S) -> Self {
        Delivery { shared: Arc::new(Shared { destination, spooling: None }) }
    }

    /// Creates a delivery that uses the spool while the destination is unavailable. Starts to replay
    /// the spool, for as long as the value lives. Must be called inside a tokio runtime.
    pub fn with_spool(destination: S, spool: Spool) -> Self {
        let (unavailable, _) = channel::channel(None);
        let slow_call = Arc::new(Notify::new());
        let watching =
            watch::watch(destination.clone(), unavailable.clone(), Arc::clone(&slow_call));
        let notices = Arc::new(Notices::default());
        let replaying = replay::replay(
            destination.clone(),
            spool.clone(),
            unavailable.clone(),
            Arc::clone(&notices),
        );
        let tasks = [tokio::spawn(watching).abort_handle(), tokio::spawn(replaying).abort_handle()];
        let without_start = Mutex::default();
        let starts = tokio::sync::Mutex::default();
        let spooling =
            Spooling { spool, unavailable, slow_call, notices, without_start, starts, tasks };
        Delivery { shared: Arc::new(Shared { destination, spooling: Some(spooling) }) }
    }

    /// Returns the destination.
    pub fn destination(&self) -> &S {
        &self.shared.destination
    }

    /// Returns the spool, if there is one.
    pub fn spool(&self) -> Option<&Spool> {
        Some(&self.shared.spooling.as_ref()?.spool)
    }

    /// Returns the spool's state, if there is one.
    pub fn spool_state(&self) -> Option<SpoolState> {
        Some(self.shared.spooling.as_ref()?.spool.state())
    }

    /// Returns why the destination is unavailable; `None` while it is available, and without a spool.
    pub fn unavailable_reason(&self) -> Option<String> {
        self.shared.spooling.as_ref()?.unavailable.borrow().clone()
    }

    /// Returns how many simulations wait in the spool although the destination is available.
    pub fn held_simulations(&self) -> usize {
        let spooling = self.shared.spooling.as_ref();
        spooling.map_or(0, |spooling| spooling.notices.held.load(Ordering::Relaxed))
    }

    /// Requeues these dead letters, or all of them, at the end of the queue, and retries held
    /// simulations immediately. Returns `None` without a spool.
    ///
    /// # Errors
    /// As [`Spool::requeue`].
    pub async fn requeue(&self, sequences: Option<Vec<u64>>) -> Result<Option<RequeueCounts>> {
        let Some(spooling) = &self.shared.spooling else { return Ok(None) };
        let requeued = spooling.spool.requeue(sequences).await?;
        spooling.notices.again.notify_one();
        Ok(Some(requeued))
    }

    /// Stores a version of an agent's configuration and returns its id.
    ///
    /// # Errors
    /// As [`Recorder::create_configuration`](crate::Recorder::create_configuration).
    pub async fn create_configuration(
        &self,
        name: &str,
        configuration: &str,
        user_id: Option<&str>,
    ) -> Result<(String, DeliveryAnswer<()>)> {
        let direct = self.shared.destination.create_configuration(name, configuration, user_id);
        match self.try_direct(None, direct).await? {
            DeliveryAnswer::Committed(kept) => Ok(kept),
            DeliveryAnswer::Spooled => {
                let id = crate::recorder::configuration_id(name, configuration, user_id)?;
                self.append(vec![SpooledCall::Configuration {
                    name: name.to_owned(),
                    configuration: configuration.to_owned(),
                    user_id: user_id.map(str::to_owned),
                }])
                .await?;
                Ok((id, DeliveryAnswer::Spooled))
            }
        }
    }

    /// Starts a simulation.
    ///
    /// # Errors
    /// As [`Recorder::start_simulation`](crate::Recorder::start_simulation).
    pub async fn start_simulation(&self, mut start: SimulationStart) -> Result<StartAnswer> {
        let simulation_id = *start.simulation_id.get_or_insert_with(identity::new_id);
        let begun = self.shared.destination.clock().next_receipt();
        let direct = self.shared.destination.start_simulation(start.clone());
        match self.try_direct(Some(simulation_id), direct).await? {
            DeliveryAnswer::Committed(started) => Ok(started),
            DeliveryAnswer::Spooled => {
                // Otherwise the destination sets the time.
                let host_clock = start.started_at.is_none() && begun.host_clock;
                let created_at = *start.started_at.get_or_insert(begun.at);
                let kept = self.spool_start(simulation_id, start, host_clock);
                let scenario_count = Box::pin(kept).await?;
                let simulation = SimulationStarted {
                    simulation_id,
                    scenario_count,
                    status: SimulationStatus::Running,
                    created_at,
                    configuration_exists: false,
                    warnings: Vec::new(),
                };
                Ok(StartAnswer { simulation, spooled: true })
            }
        }
    }

    /// Records results, received now, and returns a verdict for each, in order.
    ///
    /// # Errors
    /// As [`Recorder::record_batch`](crate::Recorder::record_batch).
    pub fn record_batch(
        &self,
        simulation_id: Uuid,
        submissions: Vec<Submission>,
    ) -> impl Future<Output = Result<Vec<ItemVerdict>>> + Send + use<S> {
        let delivery = self.clone();
        let received = self.accept(simulation_id, submissions);
        async move { delivery.record_received(simulation_id, received).await }
    }

    /// Accepts results of one simulation now, in order, for [`Delivery::record_received`].
    pub fn accept(&self, simulation_id: Uuid, submissions: Vec<Submission>) -> Vec<ReceivedResult> {
        ReceivedResult::accept(simulation_id, submissions, self.shared.destination.clock())
    }

    /// Records results that were received before and keep their ids and times, and returns a verdict
    /// for each, in order.
    ///
    /// # Errors
    /// As [`Recorder::record_batch`](crate::Recorder::record_batch).
    pub async fn record_received(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        let destination = &self.shared.destination;
        if self.shared.spooling.is_none() {
            return destination.record_received(simulation_id, received).await;
        }
        let direct = Box::pin(destination.record_received(simulation_id, received.clone()));
        let mut verdicts = match self.try_direct(Some(simulation_id), direct).await? {
            DeliveryAnswer::Committed(verdicts) => verdicts,
            // Boxed, because this future is rare and large.
            DeliveryAnswer::Spooled => {
                return Box::pin(self.spool_results(simulation_id, received)).await;
            }
        };
        let failed = |item: &ItemVerdict| {
            let Verdict::Failed { kind, .. } = item.verdict else { return false };
            kind.affects_others()
        };
        if !verdicts.iter().any(failed) {
            return Ok(verdicts);
        }
        // The destination could not take some of them.
        let first = |wanted: FailureKind| {
            verdicts.iter().find_map(|item| match &item.verdict {
                Verdict::Failed { kind, message, hint } if *kind == wanted => {
                    Some((message, hint.as_deref()))
                }
                _ => None,
            })
        };
        if let Some((message, hint)) = first(FailureKind::Unavailable) {
            self.note_unavailable(message, hint);
        }
        if let Some((message, hint)) = first(FailureKind::Internal) {
            log_fault(message, hint);
        }
        let (places, rest): (Vec<usize>, Vec<ReceivedResult>) = received
            .into_iter()
            .enumerate()
            .filter(|(place, _)| verdicts.get(*place).is_some_and(failed))
            .unzip();
        let all_failed = rest.len() == verdicts.len();
        let kept = match Box::pin(self.spool_results(simulation_id, rest)).await {
            Ok(kept) => kept,
            // The committed results keep their verdicts, and the others their failures.
            Err(error) if !all_failed => {
                tracing::warn!(
                    error = error.report(),
                    hint = error.hint().as_deref(),
                    "results that were not recorded are not in the spool either"
                );
                return Ok(verdicts);
            }
            Err(error) => return Err(error),
        };
        for (place, item) in places.into_iter().zip(kept) {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = item;
            }
        }
        Ok(verdicts)
    }

    /// Completes a simulation.
    ///
    /// # Errors
    /// As [`Recorder::complete_simulation`](crate::Recorder::complete_simulation).
    pub async fn complete_simulation(
        &self,
        simulation_id: Uuid,
        suite: Option<&str>,
    ) -> Result<DeliveryAnswer<SimulationCompleted>> {
        let direct = self.shared.destination.complete_simulation(simulation_id, suite);
        if let DeliveryAnswer::Committed(delivered) =
            self.try_direct(Some(simulation_id), direct).await?
        {
            return Ok(delivered);
        }
        if let Some(suite) = suite {
            self.shared.destination.check_suite(suite).await?;
        }
        let suite = suite.map(str::to_owned);
        self.append(vec![SpooledCall::Complete { simulation_id, suite }]).await?;
        Ok(DeliveryAnswer::Spooled)
    }

    /// Ends a simulation as failed or cancelled, with a reason.
    ///
    /// # Errors
    /// As [`Recorder::fail_simulation`](crate::Recorder::fail_simulation).
    pub async fn end_simulation(
        &self,
        simulation_id: Uuid,
        status: SimulationStatus,
        reason: &str,
    ) -> Result<DeliveryAnswer<SimulationStatus>> {
        let direct = self.shared.destination.end_simulation(simulation_id, status, reason);
        if let DeliveryAnswer::Committed(delivered) =
            self.try_direct(Some(simulation_id), direct).await?
        {
            return Ok(delivered);
        }
        let reason = reason.to_owned();
        self.append(vec![SpooledCall::End { simulation_id, status, reason }]).await?;
        Ok(DeliveryAnswer::Spooled)
    }

    /// Waits until the spool is empty, at most for `limit`, and returns at once if the destination is
    /// unavailable.
    pub async fn settle(&self, limit: Duration) {
        let Some(spooling) = &self.shared.spooling else { return };
        let mut unavailable = spooling.unavailable.subscribe();
        let emptied = async {
            while spooling.spool.state().depth > 0 {
                tokio::time::sleep(SETTLE_POLL).await;
            }
        };
        let settled = async {
            tokio::select! {
                () = emptied => {}
                _ = unavailable.wait_for(Option::is_some) => {}
            }
        };
        let _ = tokio::time::timeout(limit, settled).await;
    }

    /// Completes the work in progress and closes the spool; the destination stays open.
    pub async fn close(&self) {
        if let Some(spooling) = &self.shared.spooling {
            spooling.tasks.iter().for_each(AbortHandle::abort);
            spooling.spool.close().await;
        }
    }

    /// Marks the destination as unavailable: calls in progress go to the spool.
    pub fn mark_unavailable(&self, reason: &str) {
        self.note_unavailable(reason, None);
    }

    /// Calls the destination, unless it is unavailable or entries of the simulation are waiting.
    async fn try_direct<T>(
        &self,
        simulation_id: Option<Uuid>,
        direct: impl Future<Output = Result<T>>,
    ) -> Result<DeliveryAnswer<T>> {
        let Some(spooling) = &self.shared.spooling else {
            return direct.await.map(DeliveryAnswer::Committed);
        };
        let waits = simulation_id.is_some_and(|id| spooling.spool.holds(id));
        let mut unavailable = spooling.unavailable.subscribe();
        if waits || unavailable.borrow_and_update().is_some() {
            return Ok(DeliveryAnswer::Spooled);
        }
        let mut direct = std::pin::pin!(direct);
        loop {
            tokio::select! {
                biased;
                answer = &mut direct => return match answer {
                    Ok(answer) => Ok(DeliveryAnswer::Committed(answer)),
                    Err(error) if should_spool(&error) => {
                        self.note_unavailable(&error.report(), error.hint().as_deref());
                        Ok(DeliveryAnswer::Spooled)
                    }
                    // It is kept for a version without the fault; other calls can succeed.
                    Err(error @ Error::Internal(_)) => {
                        log_fault(&error.report(), error.hint().as_deref());
                        Ok(DeliveryAnswer::Spooled)
                    }
                    Err(error) => Err(error),
                },
                // The destination possibly still completes the call; the ids prevent duplicates.
                known = unavailable.wait_for(Option::is_some) => if known.is_ok() {
                    return Ok(DeliveryAnswer::Spooled);
                },
                () = tokio::time::sleep(PING_AFTER) => spooling.slow_call.notify_one(),
            }
        }
    }

    fn note_unavailable(&self, reason: &str, hint: Option<&str>) {
        if let Some(spooling) = &self.shared.spooling {
            watch::note_unavailable(&spooling.unavailable, reason, hint);
        }
    }

    /// Stores a start in the spool, and returns the number of planned scenarios. The first start of an
    /// id takes precedence, as in the database.
    async fn spool_start(
        &self,
        simulation_id: Uuid,
        start: SimulationStart,
        host_clock: bool,
    ) -> Result<u32> {
        let destination = &self.shared.destination;
        let checked = destination.check_start(&start).await?;
        let scenario_count = checked.scenario_count;
        let call = SpooledCall::Start { start: Box::new(start), host_clock };
        let Some(spooling) = &self.shared.spooling else {
            self.append(vec![call]).await?;
            return Ok(scenario_count);
        };
        let _one_at_a_time = spooling.starts.lock().await;
        let earlier = match spooling.spool.holds(simulation_id) {
            true => spooling.spool.start_of(simulation_id).await?,
            false => None,
        };
        let earlier = match &earlier {
            // An invalid start is refused when it is delivered.
            Some(earlier) => destination.check_start(earlier).await.ok(),
            None => None,
        };
        if earlier.as_ref().is_some_and(|earlier| earlier.differs_from(&checked)) {
            return Err(Error::conflict(format!(
                "simulation {simulation_id} was started before with another plan, which waits in \
                 the spool"
            ))
            .with_hint("use another id"));
        }
        self.append(vec![call]).await?;
        destination.expect_start(earlier.unwrap_or(checked));
        spooling.without_start().remove(&simulation_id);
        Ok(scenario_count)
    }

    /// Stores results in the spool, and returns their expected verdicts as far as they can be
    /// determined now.
    async fn spool_results(
        &self,
        simulation_id: Uuid,
        received: Vec<ReceivedResult>,
    ) -> Result<Vec<ItemVerdict>> {
        self.load_spooled_plan(simulation_id).await?;
        let verdicts = self.shared.destination.preview(simulation_id, received.clone()).await?;
        let calls =
            received.into_iter().map(|result| SpooledCall::Result { simulation_id, result });
        self.append(calls.collect()).await?;
        Ok(verdicts)
    }

    /// Reads a simulation's plan from the spool if it has the start and the plan is not in memory,
    /// after a restart of the process.
    async fn load_spooled_plan(&self, simulation_id: Uuid) -> Result<()> {
        let destination = &self.shared.destination;
        let Some(spooling) = &self.shared.spooling else { return Ok(()) };
        if destination.knows_plan(simulation_id)
            || spooling.without_start().contains(&simulation_id)
        {
            return Ok(());
        }
        if let Some(start) = spooling.spool.start_of(simulation_id).await? {
            match destination.check_start(&start).await {
                Ok(checked) => {
                    destination.expect_start(checked);
                    return Ok(());
                }
                Err(error) if error.retryable() => return Err(error),
                // The start is refused when it is delivered, and has no plan.
                Err(_) => {}
            }
        }
        let mut without = spooling.without_start();
        if without.len() >= MAX_WITHOUT_START {
            without.clear();
        }
        without.insert(simulation_id);
        Ok(())
    }

    async fn append(&self, calls: Vec<SpooledCall>) -> Result<()> {
        let Some(spooling) = &self.shared.spooling else {
            return Err(Error::unavailable("the database is unavailable").with_hint(TRY_AGAIN));
        };
        let spooled_at = Timestamp::now();
        let entries = calls.into_iter().map(|call| Entry { spooled_at, call }).collect();
        spooling.spool.append(entries).await.map(|_| ())
    }
}

/// Logs a fault of the program whose call is stored in the spool.
fn log_fault(error: &str, hint: Option<&str>) {
    tracing::error!(target: "arc_host::delivery", error, hint, "a call failed for a fault of this program or of the database, and is kept in the spool");
}

/// Returns whether an error means that the destination cannot be reached or cannot be used by any
/// client, so that the call should be spooled.
fn should_spool(error: &Error) -> bool {
    error.retryable()
        || matches!(
            error,
            Error::Configuration(_) | Error::Database(_) | Error::Schema(_) | Error::Io { .. }
        )
}
