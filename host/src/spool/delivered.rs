//! The answers to calls that are recorded at once, or kept in the spool until they can be.

use serde::Serialize;

use crate::recorder::SimulationStarted;

/// The answer to a call that the destination or the spool has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered<T> {
    /// The destination's answer: it is committed.
    Committed(T),
    /// It is kept durably, and delivered when the destination is back.
    Spooled,
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Started {
    /// The simulation, as far as it is known.
    #[serde(flatten)]
    pub simulation: SimulationStarted,
    /// Whether the start is in the spool, and the destination does not know the simulation yet.
    pub spooled: bool,
}
