//! What `wit/` says, as Rust types. Nothing else in the crate calls `bindgen!`.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "extractor",
    additional_derives: [PartialEq],
});
