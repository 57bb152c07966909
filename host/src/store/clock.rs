//! The database's clock, as this host knows it.
//!
//! The latest of two attempts is determined by their times of receipt, and hosts with different clocks
//! can receive them. So all these times are of one clock, the database's: each host measures the offset
//! of its own clock from it, on connections that it uses anyway, and corrects its own time by it. The
//! database is not queried when a result is received, because it can be unreachable then; a result that
//! is received while there is no valid measurement is corrected when it is recorded.
//!
//! The host's own time is the time of its clock at the first reading, plus the time on the monotonic
//! clock since, so that setting the clock moves no time of receipt. The monotonic clock can
//! stop while the machine is suspended. Both clocks differ then, and a measurement is no longer valid.
//!
//! A measurement is wrong by at most half of its round trip, and the fastest ones count.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::lock::lock;

/// How often the offset is measured while connections are used: a round trip each time.
const MEASURE_EVERY: Duration = Duration::from_secs(30);

/// How long a measurement is valid. If no connection is used for this long, results received since are
/// corrected by the next measurement, which is made when a connection is used.
const HOLDS_FOR: Duration = Duration::from_secs(60);

/// The drift between the clocks of two machines: 100 parts in a million, which is more than crystals
/// have. The older a measurement is, the less exact it is.
const DRIFT: i64 = 10_000;

/// How far the host's clock can differ from the time since the measurement: a second, and a thousandth
/// of that time, because clocks are slewed. A greater difference is a clock that was set, or a
/// suspended machine, and requires a new measurement.
const STEP: i64 = 1_000_000;

/// A measurement that is wrong by no more is not worth another one, in microseconds.
const PRECISE: i64 = 250;

/// From what difference on a warning is logged, in microseconds.
const WARN_FROM: i64 = 1_000_000;

/// When a result was received, and on which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptTime {
    /// The time.
    pub at: Timestamp,
    /// Whether it is the host's own time, since the database's was not known, or not any more.
    pub host_clock: bool,
}

/// The host's clocks at one moment: the one that can be set, and the monotonic one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Microseconds since 1970.
    wall: i64,
    steady: Instant,
}

impl Reading {
    /// Both clocks now.
    pub(super) fn now() -> Self {
        Reading { wall: Timestamp::now().as_microsecond(), steady: Instant::now() }
    }

    /// How long ago it was.
    pub(super) fn elapsed(&self) -> Duration {
        self.steady.elapsed()
    }
}

/// A measurement.
#[derive(Clone, Copy, Debug)]
struct Offset {
    /// The database's clock minus the host's own time, in microseconds.
    micros: i64,
    /// The most that it can be wrong.
    bound: i64,
    /// When it was measured.
    measured: Instant,
}

impl Offset {
    /// Returns the current bound of its error.
    fn bound_at(&self, now: Instant) -> i64 {
        self.bound.saturating_add(since(self.measured, now).max(0) / DRIFT)
    }
}

/// The database's clock as this host knows it; until it is measured, the host's own.
#[derive(Debug)]
pub struct DatabaseClock(Mutex<State>);

impl Default for DatabaseClock {
    fn default() -> Self {
        DatabaseClock::new()
    }
}

#[derive(Debug)]
struct State {
    /// The first reading of the clocks.
    begun: Option<Reading>,
    offset: Option<Offset>,
    /// Both clocks at the last measurement.
    measured: Option<Reading>,
    /// The clocks have run apart since the last measurement.
    apart: bool,
    /// The first measurement after a time without a valid one: results received in that time are
    /// corrected by it and no other, so that their order is preserved.
    first: i64,
    /// The greatest time that a correction returns: the database's at that measurement.
    latest: i64,
    /// The greatest time that was returned, and the first and the greatest of the host's own since
    /// there is no valid measurement.
    last: Option<i64>,
    first_of_host: Option<i64>,
    last_of_host: Option<i64>,
    /// When the next measurement is due.
    due: Option<Instant>,
    warned: bool,
}

impl DatabaseClock {
    /// One that is not measured yet.
    pub const fn new() -> Self {
        DatabaseClock(Mutex::new(State {
            begun: None,
            offset: None,
            measured: None,
            apart: false,
            first: 0,
            latest: i64::MAX,
            last: None,
            first_of_host: None,
            last_of_host: None,
            due: None,
            warned: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// The time of receipt of a result: strictly increasing, so that of two attempts the later is
    /// always the greater, even when the host's clock is set back.
    pub fn next_receipt(&self) -> ReceiptTime {
        self.next_receipt_at(Reading::now())
    }

    fn next_receipt_at(&self, now: Reading) -> ReceiptTime {
        let mut state = self.state();
        let host = state.host_time(now);
        let offset = state.valid_offset(now);
        let last = if offset.is_some() { &mut state.last } else { &mut state.last_of_host };
        let time = host.saturating_add(offset.map_or(0, |offset| offset.micros));
        let next = last.map_or(time, |last| time.max(last.saturating_add(1)));
        *last = Some(next);
        if offset.is_none() {
            state.first_of_host.get_or_insert(next);
        }
        ReceiptTime { at: timestamp(next), host_clock: offset.is_none() }
    }

    /// The time of receipt on the database's clock, for a result that was received by the host's own.
    /// None is later than the measurement: an earlier process can have had another clock.
    pub(crate) fn corrected(&self, received_at: Timestamp) -> Timestamp {
        let mut state = self.state();
        let corrected = received_at.as_microsecond().saturating_add(state.first);
        if corrected <= state.latest {
            return timestamp(corrected);
        }
        // They keep their order.
        state.latest = state.latest.saturating_add(1);
        timestamp(state.latest)
    }

    /// Returns the time, as exactly as it is known.
    pub fn now(&self) -> Timestamp {
        let now = Reading::now();
        let mut state = self.state();
        let host = state.host_time(now);
        let holds = state.valid_offset(now).is_some();
        // One that is old is better than none.
        let known = state.offset.filter(|_| holds || !state.apart);
        timestamp(known.map_or(now.wall, |offset| host.saturating_add(offset.micros)))
    }

    /// How far the host's clock is ahead of the database's in milliseconds, negative if it is behind;
    /// none if it has not been measured yet.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn skew_ms(&self) -> Option<f64> {
        let now = Reading::now();
        let mut state = self.state();
        let offset = state.valid_offset(now)?;
        let database = state.host_time(now).saturating_add(offset.micros);
        Some(now.wall.saturating_sub(database) as f64 / 1_000.0)
    }

    /// Whether the offset is known.
    pub(super) fn is_measured(&self) -> bool {
        self.state().valid_offset(Reading::now()).is_some()
    }

    /// Whether the offset is known as exactly as it is worth.
    pub(super) fn is_precise(&self) -> bool {
        let now = Reading::now();
        self.state().valid_offset(now).is_some_and(|offset| offset.bound_at(now.steady) <= PRECISE)
    }

    /// Whether it is time to measure. The caller that gets `true` measures: no other gets it for a
    /// while.
    pub(super) fn is_due(&self) -> bool {
        let now = Reading::now();
        let mut state = self.state();
        let due =
            state.valid_offset(now).is_none() || state.due.is_none_or(|due| now.steady >= due);
        if due {
            state.due = Some(now.steady + MEASURE_EVERY);
        }
        due
    }

    /// Records the time of the database's clock, in microseconds, at some moment of a round trip that
    /// began then.
    pub(super) fn record(&self, begun: Reading, round_trip: Duration, database: i64) {
        let bound = micros(round_trip) / 2;
        let steady = begun.steady + round_trip / 2;
        let measured = Reading { wall: begun.wall.saturating_add(bound), steady };
        let mut state = self.state();
        state.record(measured, bound, database);
        state.due = Some(steady + MEASURE_EVERY);
        state.warn(database.saturating_sub(measured.wall));
    }
}

impl State {
    /// The host's own time, which setting its clock does not move.
    fn host_time(&mut self, now: Reading) -> i64 {
        let begun = *self.begun.get_or_insert(now);
        begun.wall.saturating_add(since(begun.steady, now.steady))
    }

    /// The offset, unless it was measured long ago, or the host's clocks have diverged since: one was
    /// set, or the other stopped. `None` until the next measurement in these cases.
    fn valid_offset(&mut self, now: Reading) -> Option<Offset> {
        let measured = self.measured?;
        let elapsed = since(measured.steady, now.steady);
        let expected = measured.wall.saturating_add(elapsed);
        let differ = now.wall.saturating_sub(expected).saturating_abs();
        self.apart |= differ > STEP + elapsed.max(0) / 1_000;
        self.offset.filter(|_| !self.apart && elapsed <= micros(HOLDS_FOR))
    }

    fn record(&mut self, measured: Reading, bound: i64, database: i64) {
        let micros = database.saturating_sub(self.host_time(measured));
        let new = Offset { micros, bound, measured: measured.steady };
        let known = self.valid_offset(measured);
        (self.measured, self.apart) = (Some(measured), false);
        let Some(known) = known else {
            // Results received from now on are later than those received without a valid measurement,
            // once these are corrected, and those are later than the ones before.
            let (first, last) = (self.first_of_host.take(), self.last_of_host.take());
            let least = self.last.zip(first).map(|(last, first)| last.saturating_add(1) - first);
            self.first = least.map_or(micros, |least| micros.max(least));
            let corrected = last.map(|last| last.saturating_add(self.first));
            self.last = self.last.max(corrected);
            self.latest = self.last.map_or(database, |last| database.max(last));
            self.offset = Some(new);
            return;
        };
        let bound = known.bound_at(new.measured);
        let apart = known.micros.saturating_sub(new.micros).saturating_abs();
        // The better of the two; a different clock if they contradict each other, as after a failover.
        if new.bound <= bound || apart > new.bound.saturating_add(bound) {
            self.offset = Some(new);
        }
    }

    fn warn(&mut self, offset: i64) {
        let far = offset.saturating_abs() >= WARN_FROM;
        let clock_skew_ms = -offset / 1_000;
        if far && !self.warned {
            tracing::warn!(target: "arc_host::store", clock_skew_ms, "the clock of this host differs from the database's; times of receipt are corrected, set the clock");
        } else if !far && self.warned {
            tracing::info!(target: "arc_host::store", clock_skew_ms, "the clock of this host is the database's again");
        }
        self.warned = far;
    }
}

/// The microseconds between two moments, negative if the second is the earlier.
fn since(earlier: Instant, later: Instant) -> i64 {
    match later.checked_duration_since(earlier) {
        Some(time) => micros(time),
        None => -micros(earlier.duration_since(later)),
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// The time of this many microseconds since 1970, or the nearest valid time.
fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(match micros {
        ..0 => Timestamp::MIN,
        _ => Timestamp::MAX,
    })
}

/// The time of a clock as `date_part('epoch', …)` writes it, in microseconds.
pub(super) fn epoch_micros(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let whole = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    whole.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A host whose clock is wrong by some microseconds, some milliseconds after the beginning.
    fn reading(begun: Instant, after_ms: u64, wrong_by: i64) -> Reading {
        let after = Duration::from_millis(after_ms);
        Reading { wall: 1_800_000_000 * SECOND + micros(after) + wrong_by, steady: begun + after }
    }

    /// The database's clock some milliseconds after the beginning.
    fn database(after_ms: u64) -> i64 {
        1_800_000_000 * SECOND + micros(Duration::from_millis(after_ms))
    }

    fn record(clock: &DatabaseClock, begun: Instant, after_ms: u64, wrong_by: i64) {
        let asked = reading(begun, after_ms, wrong_by);
        clock.record(asked, Duration::from_millis(2), database(after_ms + 1));
    }

    #[test]
    fn hosts_with_other_clocks_agree_on_the_order() {
        let begun = Instant::now();
        let hosts = [0, -180 * SECOND, 3_600 * SECOND].map(|wrong_by| {
            let clock = DatabaseClock::new();
            record(&clock, begun, 0, wrong_by);
            (clock, wrong_by)
        });
        let mut last = Timestamp::MIN;
        for turn in 0..300_usize {
            let (clock, wrong_by) = &hosts[turn % hosts.len()];
            let received = clock.next_receipt_at(reading(begun, 10 + turn as u64, *wrong_by));
            assert!(!received.host_clock);
            assert!(received.at > last, "{turn}: {received:?} after {last}");
            last = received.at;
        }
    }

    #[test]
    fn earlier_receipts_are_corrected_and_keep_their_order() {
        let begun = Instant::now();
        for wrong_by in [-180 * SECOND, 180 * SECOND] {
            let clock = DatabaseClock::new();
            let before: Vec<_> = [0, 0, 5]
                .map(|after| clock.next_receipt_at(reading(begun, after, wrong_by)))
                .to_vec();
            assert!(before.iter().all(|received| received.host_clock));
            record(&clock, begun, 6, wrong_by);
            let mut times: Vec<_> = before.iter().map(|one| clock.corrected(one.at)).collect();
            // Another measurement moves none of them.
            record(&clock, begun, 500, wrong_by + 40);
            assert_eq!(clock.corrected(before[0].at), times[0]);
            times.push(clock.next_receipt_at(reading(begun, 501, wrong_by)).at);
            assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
            assert!((times[3].as_microsecond() - database(501)).abs() < SECOND / 100);
        }
    }

    #[test]
    fn a_clock_that_was_set_is_not_trusted_until_it_is_measured() {
        let begun = Instant::now();
        for step in [-20 * SECOND, 20 * SECOND] {
            let clock = DatabaseClock::new();
            record(&clock, begun, 0, 0);
            let first = clock.next_receipt_at(reading(begun, 10, 0));
            let second = clock.next_receipt_at(reading(begun, 20, step));
            assert!(!first.host_clock && second.host_clock);
            record(&clock, begun, 30, step);
            let third = clock.next_receipt_at(reading(begun, 40, step));
            let times = [first.at, clock.corrected(second.at), third.at];
            assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
        }
    }

    #[test]
    fn setting_the_clock_before_the_first_measurement_moves_no_time() {
        let begun = Instant::now();
        for wrong_by in [-180 * SECOND, 180 * SECOND] {
            let clock = DatabaseClock::new();
            let before = clock.next_receipt_at(reading(begun, 0, wrong_by));
            // The clock is set right.
            let after = clock.next_receipt_at(reading(begun, 10, 0));
            record(&clock, begun, 20, 0);
            let later = clock.next_receipt_at(reading(begun, 30, 0));
            assert!(before.host_clock && after.host_clock && !later.host_clock);
            let times = [clock.corrected(before.at), clock.corrected(after.at), later.at];
            for (time, after_ms) in times.iter().zip([0, 10, 30]) {
                let wrong = time.as_microsecond() - database(after_ms);
                assert!(wrong.abs() < SECOND / 100, "{after_ms}: {times:?}");
            }
        }
    }

    #[test]
    fn a_measurement_ends_when_no_other_follows() {
        let begun = Instant::now();
        let clock = DatabaseClock::new();
        record(&clock, begun, 0, 0);
        // A minute with measurements that are worse, and so change nothing else.
        for after in [25_000, 50_000] {
            clock.record(reading(begun, after, 0), Duration::from_secs(1), database(after + 500));
        }
        assert!(!clock.next_receipt_at(reading(begun, 100_000, 0)).host_clock);
        // An hour later, and the clock was set back by less than it might have been slewed since.
        let hour = 3_600_000;
        let set = -4 * SECOND;
        let last = clock.next_receipt_at(reading(begun, 105_000, 0));
        let first = clock.next_receipt_at(reading(begun, hour, set));
        assert!(!last.host_clock && first.host_clock);
        record(&clock, begun, hour + 5, set);
        let next = clock.next_receipt_at(reading(begun, hour + 10, set));
        assert!(!next.host_clock);
        let times = [last.at, clock.corrected(first.at), next.at];
        assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
        for (time, after_ms) in times[1..].iter().zip([hour, hour + 10]) {
            assert!((time.as_microsecond() - database(after_ms)).abs() < SECOND / 100, "{times:?}");
        }
    }

    #[test]
    fn the_order_is_preserved_if_the_next_measurement_is_lower() {
        let begun = Instant::now();
        let clock = DatabaseClock::new();
        record(&clock, begun, 0, 0);
        let last = clock.next_receipt_at(reading(begun, 60_000, 0));
        let first = clock.next_receipt_at(reading(begun, 60_002, 0));
        assert!(!last.host_clock && first.host_clock);
        // The database's clock is 5 ms earlier than was thought.
        clock.record(reading(begun, 60_010, 0), Duration::from_millis(2), database(60_006));
        let next = clock.next_receipt_at(reading(begun, 60_012, 0));
        let times = [last.at, clock.corrected(first.at), next.at];
        assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
    }

    #[test]
    fn receipts_of_a_process_with_a_clock_ahead_are_not_later_than_the_measurement() {
        let begun = Instant::now();
        let clock = DatabaseClock::new();
        record(&clock, begun, 0, 0);
        let ahead = [100, 200].map(|micros| timestamp(database(0) + 180 * SECOND + micros));
        let [first, second] = ahead.map(|time| clock.corrected(time));
        let next = clock.next_receipt_at(reading(begun, 10, 0)).at;
        assert!(first < second && second < next, "{first} {second} {next}");
    }

    #[test]
    fn the_better_measurement_counts_and_another_clock_at_once() {
        let begun = Instant::now();
        let clock = DatabaseClock::new();
        record(&clock, begun, 0, 0);
        let offset = || clock.state().offset.unwrap().micros;
        assert_eq!(offset(), 0);
        // A round trip of two seconds is less exact.
        clock.record(reading(begun, 10, 0), Duration::from_secs(2), database(10));
        assert_eq!(offset(), 0);
        // A server whose clock is 20 seconds ahead has taken the place of the other.
        let ahead = database(2_021) + 20 * SECOND;
        clock.record(reading(begun, 2_020, 0), Duration::from_millis(2), ahead);
        assert_eq!(offset(), 20 * SECOND);
        // Half an hour later a poorer one is better than an old one.
        let poorer = database(1_800_025) + 20 * SECOND;
        clock.record(reading(begun, 1_800_000, 0), Duration::from_millis(40), poorer);
        assert_eq!(offset(), 20 * SECOND + 5_000);
    }

    #[test]
    fn the_time_of_receipt_never_repeats() {
        let clock = DatabaseClock::new();
        let threads = |_| {
            let receive = || (0..1_000).map(|_| clock.next_receipt().at).collect::<Vec<_>>();
            std::thread::scope(|scope| {
                let running: Vec<_> = (0..4).map(|_| scope.spawn(receive)).collect();
                running
                    .into_iter()
                    .flat_map(|thread| {
                        let times = thread.join().unwrap();
                        assert!(times.is_sorted_by(|earlier, later| earlier < later));
                        times
                    })
                    .collect::<Vec<_>>()
            })
        };
        let mut all = threads(());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4_000);
    }

    #[test]
    fn a_time_as_the_database_writes_it_is_read_to_the_microsecond() {
        for (text, micros) in [
            ("1764437609.123456", Some(1_764_437_609_123_456)),
            ("1764437609.1", Some(1_764_437_609_100_000)),
            ("1764437609", Some(1_764_437_609_000_000)),
            ("1764437609.12345678", Some(1_764_437_609_123_456)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(epoch_micros(text), micros, "{text}");
        }
    }
}
