//! Finds the contract: in the workspace, or in the folder `packaged` of the crate's package, which
//! has no workspace around it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let packaged = folder.join("packaged/wit");
    let workspace = folder.ancestors().nth(2).map(|root| root.join("wit"));
    let wit = workspace.filter(|wit| wit.join("worlds.wit").exists()).unwrap_or(packaged);
    if !wit.join("worlds.wit").exists() {
        let missing =
            format!("{} has no contract: this package was not made by .ci/release", wit.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, missing));
    }
    println!("cargo::rerun-if-changed={}", wit.display());
    fs::write(Path::new(&variable("OUT_DIR")?).join("generate.rs"), generate(&wit))
}

/// Returns the macro call of wit-bindgen for a contract in this folder. The macro accepts only
/// literal paths, and relative ones start from the crate's folder.
fn generate(wit: &Path) -> String {
    format!(
        "macro_rules! generate {{
            ($($options:tt)*) => {{
                wit_bindgen::generate!({{ path: {wit:?}, $($options)* }});
            }};
        }}"
    )
}

fn variable(name: &str) -> io::Result<std::ffi::OsString> {
    env::var_os(name).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{name} is not set; run by cargo it is"))
    })
}
