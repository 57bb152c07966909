//! The components that are part of the program, built from `guest/formats`.

/// A component with the name of its format.
pub(super) struct Bundled {
    pub(super) name: &'static str,
    pub(super) component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
