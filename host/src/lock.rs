//! Locks whose content is consistent at any moment, so that a panic of the thread that holds one does
//! no harm.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Acquires a mutex, also after a panic of a thread that held it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Acquires a lock for reading, also after a panic of a thread that held it.
pub fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Acquires a lock for writing, also after a panic of a thread that held it.
pub fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lock_is_acquired_after_a_panic_of_a_thread_that_had_it() {
        let (mutex, shared) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(2)));
        let (in_thread, shared_in_thread) = (Arc::clone(&mutex), Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            let _both = (in_thread.lock().unwrap(), shared_in_thread.write().unwrap());
            panic!("with both locks");
        });
        assert!(thread.join().is_err());
        assert!(mutex.is_poisoned() && shared.is_poisoned());
        *lock(&mutex) += 10;
        *write(&shared) += 10;
        assert_eq!((*lock(&mutex), *read(&shared)), (11, 12));
    }
}
