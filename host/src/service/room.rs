//! Room in memory for bodies, which all requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Failure;
use crate::wire::{Problem, ProblemCode};

/// The unit in which room is counted.
const UNIT_BYTES: usize = 64 << 10;

/// How much memory the bodies of all requests may take: 512 MiB.
const UNITS: u32 = 8_192;

/// Room in memory for bodies.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Self {
        Room { free: Arc::new(Semaphore::new(UNITS as usize)) }
    }

    /// Room that grows with a body whose length is not known.
    pub(super) fn for_a_body(&self) -> Held {
        Held { free: Arc::clone(&self.free), permits: None, units: 0 }
    }

    /// Room for so many bytes, as soon as there is.
    pub(super) async fn wait_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = units(bytes).clamp(1, UNITS);
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

/// Room that is held, and given back when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    free: Arc<Semaphore>,
    permits: Option<OwnedSemaphorePermit>,
    units: u32,
}

impl Held {
    /// Sees to it that there is room for so many bytes in all.
    ///
    /// # Errors
    /// Where there is none now: who holds some must not wait for more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let needed = units(bytes);
        let more = needed.saturating_sub(self.units);
        if more == 0 {
            return Ok(());
        }
        let Ok(permits) = Arc::clone(&self.free).try_acquire_many_owned(more) else {
            return Err(Problem::new(
                ProblemCode::TooManyRequests,
                "the service holds as many bytes of bodies as it may; try again in a second",
            )
            .retry_after(1)
            .into());
        };
        match &mut self.permits {
            Some(held) => held.merge(permits),
            none => *none = Some(permits),
        }
        self.units = needed;
        Ok(())
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_refused_to_others_until_it_is_given_back() {
        let room = Room::new();
        let mut first = room.for_a_body();
        let mut second = room.for_a_body();
        let all = UNITS as usize * UNIT_BYTES;
        first.grow(all - UNIT_BYTES).unwrap();
        first.grow(10).unwrap();
        second.grow(1).unwrap();
        second.grow(UNIT_BYTES).unwrap();
        let refused = second.grow(UNIT_BYTES + 1).unwrap_err();
        assert_eq!(refused.problem.code, ProblemCode::TooManyRequests);
        assert_eq!(refused.problem.retry_after_seconds, Some(1));
        drop(first);
        second.grow(all).unwrap();
        drop(second);
        assert_eq!(room.free.available_permits(), UNITS as usize);
    }

    #[tokio::test]
    async fn more_than_there_ever_is_waits_for_all_of_it_and_no_longer() {
        let room = Room::new();
        let held = room.wait_for(usize::MAX).await.unwrap();
        assert_eq!(room.free.available_permits(), 0);
        assert!(room.for_a_body().grow(1).is_err());
        drop(held);
        assert!(room.wait_for(0).await.is_some());
    }
}
