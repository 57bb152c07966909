#!/usr/bin/env bash
# `cargo package` checks a crate of a workspace against sources of another crate that it unpacked
# in an earlier run, although it has just packed newer ones.
#
# Versions: cargo 1.95.0.
# Seen:     2026-11-30, Linux x86-64.
#
# What happens: to verify packages that depend on each other, cargo makes a registry of the packed
# files in the target folder, and unpacks from it into its home, under the name and the version. A
# later run packs the changed crate, but finds the folder of this name and version in its home and
# does not unpack again. A function that was added is "not found"; one that was removed still
# compiles. Deleting the target folder does not help, because the folder's name comes from its path.
#
# Output seen:
#   first run: packed and verified
#   library changed, second run: error[E0425]: cannot find function `second` in crate `library_for_observation`
#   without what was unpacked and built: packed and verified
#
# Why it matters: versions stay the same between releases, so a check in CI that keeps cargo's home
# fails after a change of two crates of a workspace, or passes where it should fail.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
rustc=$(rustup which --toolchain 1.95.0 rustc)
PATH=$(dirname "$rustc"):$PATH
export CARGO_HOME=$folder/home CARGO_TARGET_DIR=$folder/target CARGO_NET_OFFLINE=true
mkdir -p home library/src user/src
cat > Cargo.toml <<'TOML'
[workspace]
members = ["library", "user"]
resolver = "2"
TOML
for name in library user; do
    cat > $name/Cargo.toml <<TOML
[package]
name = "$name-for-observation"
version = "0.1.0"
edition = "2021"
description = "made for an observation"
license = "MIT"
TOML
done
cat >> user/Cargo.toml <<'TOML'

[dependencies]
library-for-observation = { path = "../library", version = "0.1.0" }
TOML
echo 'pub fn first() {}' > library/src/lib.rs
echo 'pub fn call() { library_for_observation::first() }' > user/src/lib.rs

observe() {
    if cargo package --workspace --allow-dirty >log 2>&1; then
        echo "$1: packed and verified"
    else
        echo "$1: $(grep -m 1 '^error\[' log || tail -n 1 log)"
    fi
}

cargo --version
{
    observe "first run"
    echo 'pub fn second() {}' >> library/src/lib.rs
    echo 'pub fn call() { library_for_observation::second() }' > user/src/lib.rs
    observe "library changed, second run"
    rm -rf home/registry/src target/debug
    observe "without what was unpacked and built"
} > seen.txt
cat > expected.txt <<'TEXT'
first run: packed and verified
library changed, second run: error[E0425]: cannot find function `second` in crate `library_for_observation`
without what was unpacked and built: packed and verified
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: cargo verifies packages in another way than described here" >&2
    exit 1
fi
