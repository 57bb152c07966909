//! The answers to calls that are recorded at once, or stored in the spool until they can be.

use serde::Serialize;

use crate::recorder::SimulationStarted;

/// The answer to a call that the destination or the spool has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryAnswer<T> {
    /// The destination's answer: it is committed.
    Committed(T),
    /// It is stored durably in the spool, and delivered when the destination is available again.
    Spooled,
}

/// The answer to a start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StartAnswer {
    /// The simulation, as far as it is known.
    #[serde(flatten)]
    pub simulation: SimulationStarted,
    /// Whether the start is in the spool, and the destination does not know the simulation yet.
    pub spooled: bool,
}
