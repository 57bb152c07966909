//! The files of all other formats, which a format must not recognise.

use std::path::{Path, PathBuf};

use arc_format_kit::Format;

/// Runs a format's detection on every file in `tests/fixtures` except those in its own folder, and
/// on the real results beside the repository if they exist. It must not recognise any, neither
/// whole nor by only a few bytes.
pub fn recognises_no_other<F: Format>(own_folder: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = root.join("tests/fixtures/formats").join(own_folder);
    let mut files = Vec::new();
    collect(&root.join("tests/fixtures"), &own, &mut files);
    assert!(files.len() > 5, "too few fixtures were found: {files:?}");
    let real = root.join("../shared/data");
    if real.exists() {
        collect(&real, &real.join(own_folder), &mut files);
    } else {
        crate::skip("real results of other formats", "../shared/data is not here");
    }
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy();
        for length in [4096, 1024, 256, 64, 0] {
            let head = &bytes[..bytes.len().min(length)];
            assert_eq!(F::detect(&name, head), None, "{} ({length} bytes)", file.display());
        }
    }
}

fn collect(folder: &Path, own: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path == own {
            continue;
        }
        if path.is_dir() { collect(&path, own, files) } else { files.push(path) }
    }
}
