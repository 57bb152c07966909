//! Whether this host can run a component: from its bytes, before it is compiled.

use super::command::BUILD_HINT;
use crate::error::{Error, Result};
use crate::extraction::{ComponentNames, NotComponent, PACKAGE, VERSION};

/// The packages of WASI that a runner can import, in versions of this line.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
const WASI_VERSION: &str = "0.2.";

/// The interfaces of the recorder's package that a runner can import.
const INTERFACES: [&str; 2] = ["recorder", "types"];

/// The export that starts a program.
const RUN: &str = "wasi:cli/run@0.2.";

/// Checks that a component is a program, and that this host provides its imports.
///
/// # Errors
/// [`Error::Component`] that names the imports that this host does not provide.
pub(super) fn check(component: &[u8]) -> Result<()> {
    let names = ComponentNames::read(component).map_err(|not| {
        let reason = match not {
            NotComponent::Module => "it is a core module".to_owned(),
            NotComponent::Broken(reason) => format!("its bytes are not WebAssembly ({reason})"),
        };
        Error::component(format!("this is not a component that can be run: {reason}"))
            .with_hint(BUILD_HINT)
    })?;
    check_names(&names)
}

fn check_names(names: &ComponentNames) -> Result<()> {
    for import in &names.imports {
        check_version(import)?;
    }
    let missing: Vec<&str> =
        names.imports.iter().map(String::as_str).filter(|name| !is_provided(name)).collect();
    if !missing.is_empty() {
        return Err(Error::component(format!(
            "the runner imports {}, which this host does not provide",
            missing.join(", ")
        ))
        .with_hint(
            "a runner can import WASI 0.2 without HTTP, and arc:recording/recorder: build it \
             without the others, see docs/components.md",
        ));
    }
    if names.exports.iter().any(|export| export.starts_with(RUN)) {
        return Ok(());
    }
    Err(Error::component(
        "this component is no program: it does not export wasi:cli/run in version 0.2",
    )
    .with_hint(BUILD_HINT))
}

fn is_provided(import: &str) -> bool {
    let (name, version) = import.rsplit_once('@').unwrap_or((import, ""));
    let recorder =
        name.strip_prefix(PACKAGE).is_some_and(|interface| INTERFACES.contains(&interface));
    let wasi = name
        .strip_prefix("wasi:")
        .and_then(|name| name.split_once('/'))
        .is_some_and(|(package, _)| WASI.contains(&package) && version.starts_with(WASI_VERSION));
    recorder || wasi
}

/// Refuses an import of the recorder's package in another version.
fn check_version(import: &str) -> Result<()> {
    let Some(name) = import.strip_prefix(PACKAGE) else { return Ok(()) };
    match name.rsplit_once('@') {
        Some((_, version)) if !version.starts_with(VERSION) => Err(Error::component(format!(
            "the runner was built for arc:recording@{version}, and this host provides \
             arc:recording@{VERSION}x"
        ))
        .with_hint("build the runner again with the wit folder of this version")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(imports: &[&str], exports: &[&str]) -> std::result::Result<(), String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names = ComponentNames { imports: owned(imports), exports: owned(exports) };
        check_names(&names).map_err(|error| error.to_string())
    }

    #[test]
    fn imports_that_this_host_lacks_are_named() {
        let run = ["wasi:cli/run@0.2.6"];
        let wasi = ["wasi:io/streams@0.2.0", "wasi:cli/environment@0.2.9"];
        checked(&wasi, &run).unwrap();
        let missing = [wasi[0], "wasi:http/outgoing-handler@0.2.0", "my:own/thing"];
        let error = checked(&missing, &run).unwrap_err();
        assert!(
            error.contains("imports wasi:http/outgoing-handler@0.2.0, my:own/thing, which"),
            "{error}"
        );
        assert!(checked(&["wasi:cli/environment@0.3.0"], &run).is_err());
        assert!(checked(&wasi, &[]).unwrap_err().contains("wasi:cli/run"));
    }

    #[test]
    fn another_version_of_the_package_is_named() {
        check_version("arc:recording/recorder@0.1.0").unwrap();
        // The same rule as for formats: a missing function is reported by the linker.
        check_version("arc:recording/recorder@0.1.7").unwrap();
        check_version("wasi:cli/run@9.9.9").unwrap();
        let error = check_version("arc:recording/recorder@0.2.0").unwrap_err().to_string();
        assert!(error.contains("0.2.0") && error.contains("0.1.x"), "{error}");
    }
}
