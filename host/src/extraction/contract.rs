//! Decides whether this program can use a component: from its bytes, before it is compiled, with a
//! message that contains the remedy.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use crate::error::{Error, Result};

/// The package of the contract.
pub(crate) const PACKAGE: &str = "arc:recording/";

/// The version of the contract that this program implements: releases of one minor version are
/// compatible below 1.0 (Semantic Versioning 2.0.0, item 4, and Cargo's interpretation of it).
pub(crate) const VERSION: &str = "0.1.";

/// The interfaces that a component must export.
const INTERFACES: [&str; 2] = ["extraction", "container"];

/// The maximum size of a component in bytes: components compiled from JavaScript have about 12 MB.
const MAX_COMPONENT_BYTES: usize = 128 << 20;

/// The names of what a component imports, and of the interfaces that it exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ComponentNames {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Why bytes are not a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotComponent {
    /// They are a core module.
    Module,
    /// They are not WebAssembly, for this reason.
    Broken(String),
}

impl From<wasmparser::BinaryReaderError> for NotComponent {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        let reason = error.message().lines().next().unwrap_or_default();
        NotComponent::Broken(reason.split(" - ").next().unwrap_or_default().to_owned())
    }
}

impl ComponentNames {
    /// Reads them from a component's bytes, without compiling it.
    pub(crate) fn read(bytes: &[u8]) -> std::result::Result<Self, NotComponent> {
        let mut names = ComponentNames::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(NotComponent::Module);
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        names.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export?;
                        if export.kind == ComponentExternalKind::Instance {
                            names.exports.push(export.name.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// The imports and exports that a component declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// The interfaces of WASI that it imports, in its order.
    pub wasi_imports: Vec<String>,
}

/// Reads the imports and exports of a component.
///
/// # Errors
/// [`Error::Invalid`] if it is no component, is too long, lacks an interface, was built for another
/// version of the contract, or imports something that is not WASI.
pub fn read_contract(bytes: &[u8]) -> Result<Contract> {
    let wrong = |reason: String| Error::invalid(format!("this is no format component: {reason}"));
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(wrong(format!(
            "it has {} bytes, more than the limit of {MAX_COMPONENT_BYTES}",
            bytes.len()
        )));
    }
    let names = ComponentNames::read(bytes).map_err(|not| match not {
        NotComponent::Module => wrong("it is a core module".to_owned())
            .with_hint("make a component of it, for example with `wasm-tools component new`"),
        NotComponent::Broken(reason) => {
            wrong(format!("its bytes are not WebAssembly ({reason})")).with_hint("build it again")
        }
    })?;
    let ComponentNames { imports, exports } = names;
    let (wasi_imports, others): (Vec<String>, Vec<String>) =
        imports.into_iter().partition(|import| import.starts_with("wasi:"));
    // Types that the world's interfaces share can be among the imports.
    let others: Vec<String> =
        others.into_iter().filter(|import| !import.starts_with("arc:recording/types@")).collect();
    if !others.is_empty() {
        return Err(wrong(format!(
            "it imports {}, and a format can import nothing but WASI; remove the import",
            others.join(", ")
        )));
    }
    check_exports(&exports).map_err(wrong)?;
    Ok(Contract { wasi_imports })
}

fn check_exports(exports: &[String]) -> std::result::Result<(), String> {
    for interface in INTERFACES {
        let name = format!("{PACKAGE}{interface}");
        let found = exports.iter().find_map(|export| {
            let rest = export.strip_prefix(&name)?;
            rest.is_empty().then_some("").or_else(|| rest.strip_prefix('@'))
        });
        match found {
            Some(version) if version.starts_with(VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "it was built for arc:recording@{version}, and this program speaks \
                     arc:recording@{VERSION}x; build it again with this program's wit/ folder"
                ));
            }
            None => {
                return Err(format!(
                    "it does not export {name}@{VERSION}x; build it for the world \
                     arc:recording/extractor of this program's wit/ folder"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extraction::BUILT_IN;

    #[test]
    fn the_built_in_component_imports_nothing() {
        assert_eq!(read_contract(BUILT_IN).unwrap(), Contract::default());
    }

    #[test]
    fn a_file_that_is_not_a_component_is_reported() {
        for (bytes, expected) in [
            (&b"no wasm at all"[..], "not WebAssembly"),
            (b"", "not WebAssembly"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x0d\0\x01\0", "does not export arc:recording/extraction@0.1.x"),
            (&BUILT_IN[..BUILT_IN.len() / 2], "not WebAssembly"),
        ] {
            let message = read_contract(bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn another_version_is_reported() {
        let exports = ["arc:recording/extraction@0.2.0".to_owned()];
        let message = check_exports(&exports).unwrap_err();
        assert!(message.contains("arc:recording@0.2.0"), "{message}");
    }
}
