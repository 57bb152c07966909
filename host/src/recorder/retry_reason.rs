//! The reason why results are being sent to the database again.

use std::sync::Mutex;

use crate::lock::lock;

/// The reason for which results are being sent to the database again, if they are.
#[derive(Debug, Default)]
pub(super) struct RetryReason(Mutex<Option<String>>);

impl RetryReason {
    /// Sets the reason; `None` once results have been stored.
    pub(super) fn set(&self, reason: Option<String>) {
        *lock(&self.0) = reason;
    }

    /// Returns the reason.
    pub(super) fn get(&self) -> Option<String> {
        lock(&self.0).clone()
    }
}
