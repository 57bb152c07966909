//! The memory budget for bodies, shared by all requests.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Failure;
use crate::wire::{Problem, ProblemCode};

/// The unit of the budget.
const UNIT_BYTES: usize = 64 << 10;

/// The units of a mebibyte.
const UNITS_OF_A_MIB: u64 = 16;

/// The memory for a result besides its document, until it has its verdict.
pub(super) const RESULT_BYTES: usize = 512;

/// The memory budget for bodies.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    free: Arc<Semaphore>,
    units: u32,
}

impl MemoryBudget {
    pub(super) fn new(mib: u64) -> Self {
        let units = u32::try_from(mib.saturating_mul(UNITS_OF_A_MIB)).unwrap_or(u32::MAX >> 4);
        MemoryBudget { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for this much memory; a request for more than the limit gets all of it.
    pub(super) async fn wait(&self, bytes: usize) -> MemoryPermit {
        let wanted = units(bytes).min(self.units);
        let mut held = self.empty_permit();
        // The semaphore is never closed.
        held.permits = Arc::clone(&self.free).acquire_many_owned(wanted).await.ok();
        held.units = wanted;
        held
    }

    /// Returns an empty permit, which grows with a body of unknown length.
    pub(super) fn empty_permit(&self) -> MemoryPermit {
        MemoryPermit { free: Arc::clone(&self.free), permits: None, units: 0, most: self.units }
    }
}

/// Reserved memory, released when this is dropped.
#[derive(Debug)]
pub(super) struct MemoryPermit {
    free: Arc<Semaphore>,
    permits: Option<OwnedSemaphorePermit>,
    units: u32,
    /// A request for more than the limit gets all of it.
    most: u32,
}

impl MemoryPermit {
    /// Grows the reservation to this many bytes in all.
    ///
    /// # Errors
    /// If they are not available now: a holder of memory must not wait for more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let needed = units(bytes).min(self.most);
        let more = needed.saturating_sub(self.units);
        if more == 0 {
            return Ok(());
        }
        let Ok(permits) = Arc::clone(&self.free).try_acquire_many_owned(more) else {
            return Err(Problem::new(
                ProblemCode::TooManyRequests,
                "the memory for bodies is used up",
            )
            .hint("try again in a second")
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

    /// Returns whether this many bytes can ever be reserved.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        units(bytes) <= self.most
    }

    /// Returns the most bytes that can ever be reserved.
    pub(super) fn most_bytes(&self) -> u64 {
        u64::from(self.most) * UNIT_BYTES as u64
    }

    /// Returns how many bytes are reserved.
    pub(super) fn bytes(&self) -> usize {
        self.units as usize * UNIT_BYTES
    }

    /// Keeps this many bytes of the reservation, and returns the rest as a separate permit.
    pub(super) fn split_off(&mut self, keep_bytes: usize) -> MemoryPermit {
        let rest = self.units.saturating_sub(units(keep_bytes));
        let permits = self.permits.as_mut().and_then(|held| held.split(rest as usize));
        self.units -= rest;
        MemoryPermit { free: Arc::clone(&self.free), permits, units: rest, most: self.most }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units of the budgets in these tests.
    const UNITS: usize = 32;

    #[test]
    fn reserved_memory_is_refused_to_others_until_it_is_released() {
        let room = MemoryBudget::new(2);
        let mut first = room.empty_permit();
        let mut second = room.empty_permit();
        let all = UNITS * UNIT_BYTES;
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
        assert_eq!(room.free.available_permits(), UNITS);
    }

    #[test]
    fn a_request_for_more_than_the_limit_gets_all_of_it() {
        let room = MemoryBudget::new(2);
        let mut held = room.empty_permit();
        held.grow(usize::MAX).unwrap();
        assert_eq!(room.free.available_permits(), 0);
        assert!(room.empty_permit().grow(1).is_err());
        drop(held);
        assert_eq!(room.free.available_permits(), UNITS);
    }

    #[test]
    fn a_split_permit_is_free_when_it_is_dropped() {
        let room = MemoryBudget::new(2);
        let mut held = room.empty_permit();
        held.grow(10 * UNIT_BYTES).unwrap();
        let rest = held.split_off(3 * UNIT_BYTES);
        assert_eq!(room.free.available_permits(), UNITS - 10);
        drop(rest);
        assert_eq!(room.free.available_permits(), UNITS - 3);
        assert_eq!(held.split_off(usize::MAX).units, 0);
        held.grow(4 * UNIT_BYTES).unwrap();
        assert_eq!(room.free.available_permits(), UNITS - 4);
        drop(held);
        assert_eq!(room.free.available_permits(), UNITS);
    }
}
