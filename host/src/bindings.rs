//! The definitions of `wit/` as Rust types. Nothing else in the crate calls `bindgen!`.

// Wasmtime's macro of this name, with the folder in which the build script found the contract.
include!(concat!(env!("OUT_DIR"), "/bindgen.rs"));

bindgen! {
    world: "extractor",
    additional_derives: [PartialEq],
}

/// The world of runners, with the very types of the extractor's, so that a violation is one type
/// on its whole way.
#[cfg(feature = "runners")]
pub(crate) mod runner {
    bindgen! {
        world: "runner",
        imports: { default: async },
        with: { "arc:recording/types": super::types },
    }
}

/// The types of the extractor's world in the shape of an imported interface, which is what
/// `bindgen!` takes for one that is defined elsewhere. It has no functions to link.
#[cfg(feature = "runners")]
#[allow(dead_code, unreachable_pub, reason = "generated code names these, and re-exports them")]
pub mod types {
    use wasmtime::component::{HasData, Linker};

    pub use super::exports::arc::recording::types::*;

    pub trait Host {}
    impl<T: ?Sized> Host for T {}

    pub trait HostWithStore<T>: HasData {}
    impl<T, D: HasData + ?Sized> HostWithStore<T> for D {}

    pub fn add_to_linker<T: 'static, D: HostWithStore<T>>(
        _: &mut Linker<T>,
        _: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()> {
        Ok(())
    }
}
