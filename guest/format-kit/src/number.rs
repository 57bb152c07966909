//! Limits of 64-bit floats.

/// The largest number up to which a 64-bit float represents every whole number: 2^53.
pub const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
