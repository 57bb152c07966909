//! Computation on threads that may block.

/// The work did not end: it panicked, or the runtime was stopped.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Aborted(tokio::task::JoinError);

/// Runs computation on a thread that may block. It begins at once, whether or not the caller waits
/// for it yet, so that it does not hold what it has acquired for nothing.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Aborted>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.map_err(Aborted) }
}
