//! Columns for statements that take whole columns as arrays.

/// One column of many rows: what `field` picks from each.
pub(super) fn column<'r, R, T>(rows: &'r [R], field: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
