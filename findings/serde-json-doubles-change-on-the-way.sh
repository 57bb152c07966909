#!/usr/bin/env bash
# One of nine doubles between 0 and 1 that serde_json writes is another double when serde_json reads
# it back.
#
# Versions: serde_json 1.0.154 with its default features, Rust 1.95.
# Seen:     2026-11-29, Linux x86-64.
#
# What happens: `to_string` writes the shortest text that names the double exactly, of 16 or 17
# digits for most values. `from_str` reads such texts with a fast method that is off by one unit in
# the last place in some cases; the standard library reads all of them right. The feature
# `float_roundtrip` changes the reader. Cargo unites features, so it is also on if any other crate
# of the program asks for it, and off again without that crate.
#
# Output seen:
#   default features: 10692 of 100000 doubles changed, for example 0.48183792520110524 -> 0.4818379252011053
#   float_roundtrip: 0 of 100000 doubles changed
#
# Why it matters: scores and costs that pass through a Rust service come out with other digits,
# equality tests and hashes of documents differ, and short numbers such as 0.25, which tests are
# made of, never show it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "observe"
version = "0.0.0"
edition = "2021"

[features]
exact = ["serde_json/float_roundtrip"]

[dependencies]
serde_json = "=1.0.154"

[workspace]
TOML
cat > src/main.rs <<'RUST'
fn main() {
    let mut state: u64 = 88_172_645_463_325_252;
    let mut example = String::new();
    let mut changed = 0;
    for _ in 0..100_000 {
        // Marsaglia's xorshift: the same doubles in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value = (state >> 11) as f64 / (1_u64 << 53) as f64;
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(text.parse::<f64>().unwrap(), value, "the text names the double");
        let read: f64 = serde_json::from_str(&text).unwrap();
        if read != value {
            changed += 1;
            if text == "0.48183792520110524" {
                example = format!(", for example {text} -> {read}");
            }
        }
    }
    let label = if cfg!(feature = "exact") { "float_roundtrip" } else { "default features" };
    println!("{label}: {changed} of 100000 doubles changed{example}");
}
RUST

export CARGO_TARGET_DIR="$folder/target"
cargo fetch --quiet
{
    cargo run --quiet --release
    cargo run --quiet --release --features exact
} > seen.txt || true
cat > expected.txt <<'TEXT'
default features: 10692 of 100000 doubles changed, for example 0.48183792520110524 -> 0.4818379252011053
float_roundtrip: 0 of 100000 doubles changed
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: serde_json reads its own doubles in another way than described here" >&2
    exit 1
fi
