//! The order of files that are recorded concurrently: those of one simulation in their order, because
//! of two copies of a result the one that was recorded last can count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::lock::lock;

/// The files in progress. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The simulation of each file in progress, if it is known.
    files: Mutex<BTreeMap<usize, Option<Uuid>>>,
    changed: Notify,
}

/// A file in progress, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    number: usize,
}

impl Turns {
    /// Adds the next file. Files must be added in their order.
    pub(super) fn add(&self, number: usize) -> Turn {
        lock(&self.shared.files).insert(number, None);
        Turn { turns: self.clone(), number }
    }
}

impl Turn {
    /// Waits until no earlier file of this simulation is in progress.
    pub(super) async fn wait(&self, simulation_id: Uuid) {
        let Shared { files, changed } = &*self.turns.shared;
        lock(files).insert(self.number, Some(simulation_id));
        changed.notify_waiters();
        loop {
            let next_change = changed.notified();
            let is_next = lock(files)
                .range(..self.number)
                .all(|(_, other)| other.is_some_and(|other| other != simulation_id));
            if is_next {
                return;
            }
            next_change.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.turns.shared.files).remove(&self.number);
        self.turns.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn files_of_one_simulation_follow_each_other() {
        let turns = Turns::default();
        let [first, second, third] = [0, 1, 2].map(|number| turns.add(number));
        let [one, other] = [1, 2].map(Uuid::from_u128);
        // The simulation of an earlier file is not known yet.
        assert!(third.wait(other).now_or_never().is_none());
        first.wait(one).await;
        assert!(third.wait(other).now_or_never().is_none());
        let second_waits = tokio::spawn(async move {
            second.wait(one).await;
        });
        tokio::task::yield_now().await;
        third.wait(other).await;
        assert!(!second_waits.is_finished());
        drop(first);
        second_waits.await.unwrap();
    }
}
