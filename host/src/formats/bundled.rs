//! The components that come with the program, built from `guest/formats`.

/// A component, and the name by which it is chosen.
pub(super) struct Bundled {
    pub(super) name: &'static str,
    pub(super) component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
