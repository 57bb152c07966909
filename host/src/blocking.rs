//! Computation on threads that can block.

/// The work did not end: it panicked, or the runtime was stopped.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Aborted(tokio::task::JoinError);

/// Runs computation on a thread that can block. It begins at once, even before the caller waits for it,
/// so that it does not hold acquired resources for nothing.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Aborted>> {
    let running = tokio::task::spawn_blocking(work);
    async move { running.await.map_err(Aborted) }
}
