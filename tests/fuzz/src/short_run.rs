//! The run in `cargo test`: the corpus and deterministic mutations of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::Target;
use crate::mutation::{Random, dictionary, mutate};

/// How many mutated inputs a target runs on.
const MUTATIONS: usize = 4_000;

/// The longest mutated input: longer ones take time and find nothing that short ones do not.
const LONGEST_BYTES: usize = 8 << 10;

/// Returns the inputs of a target's corpus, sorted by their files' names.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("the corpus {}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus {} is empty", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs a target on its corpus, on an empty input, and on mutations of the corpus.
pub fn short_run((name, run): Target) {
    let corpus = corpus(name);
    for input in corpus.iter().map(Vec::as_slice).chain([&b""[..]]) {
        run_on(name, run, input);
    }
    let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31) ^ u64::from(byte));
    let (mut random, dictionary) = (Random::new(seed), dictionary());
    for _ in 0..MUTATIONS {
        let mut input = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        mutate(&mut input, other, &dictionary, &mut random);
        input.truncate(LONGEST_BYTES);
        run_on(name, run, &input);
    }
}

/// Runs a target on an input, and prints the input if a property does not hold.
fn run_on(name: &str, run: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
        eprintln!("the input of {name}, to be added to tests/fuzz/corpus/{name} after the fix:");
        eprintln!("{}", input.escape_ascii());
        resume_unwind(panic);
    }
}
