//! What the sandbox costs: the extraction component against the same code as a native function.
//!
//! `cargo bench --bench extraction [-- ROUNDS [COMPONENT.wasm]]` prints, for documents of 1.5, 8.7
//! and 60 KB, the time of each and its ratio to the native function: the median of rounds in which
//! all take turns, so that a busy machine slows all of them. Another component may be given to
//! compare builds; it is held to the deadline, as every component from elsewhere.
//!
//! - native: the extractor crate, called as a library;
//! - kept session: what recording does, one instance for a run of documents;
//! - fresh session: an instance of its own for each document;
//! - bare wasmtime with and without epoch interruption: what the deadline costs, and what the
//!   host's own layer adds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a measurement that fails may stop, and prints what it found"
)]

mod support;

use std::hint::black_box;
use std::time::Instant;

use arc_host::extraction::{BUILT_IN, ExtractionSettings, Extractor};
use support::documents::document;
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "extractor" });
}

/// How many bytes of documents a round takes: long enough to time, short enough to take turns.
const ROUND_BYTES: usize = 1 << 20;

/// A way to extract, and its name.
type Way<'w> = (&'static str, Box<dyn FnMut(&str) + 'w>);

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let rounds = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(41);
    let component = match arguments.get(1) {
        Some(path) => std::fs::read(path).unwrap(),
        None => BUILT_IN.to_vec(),
    };
    println!("component of {} bytes, {rounds} rounds\n", component.len());
    let runtime = Runtime::new().unwrap();
    let settings = ExtractionSettings::default();
    let extractor = match arguments.get(1) {
        Some(_) => Extractor::from_component(&component, &settings).unwrap(),
        None => Extractor::built_in(&settings).unwrap(),
    };
    for bytes in [1_500, 8_700, 60_000] {
        let mut kept = runtime.block_on(extractor.session());
        let ways: Vec<Way<'_>> = vec![
            ("native", Box::new(|text| drop(black_box(arc_extractor::extract_outcome(text))))),
            (
                "component, kept session",
                Box::new(move |text| {
                    kept.extract_outcome(black_box(text)).unwrap().unwrap();
                }),
            ),
            (
                "component, fresh session",
                Box::new(|text| {
                    let mut fresh = runtime.block_on(extractor.session());
                    fresh.extract_outcome(black_box(text)).unwrap().unwrap();
                }),
            ),
            ("bare wasmtime, with epochs", bare(&component, true)),
            ("bare wasmtime, without epochs", bare(&component, false)),
        ];
        measure(bytes, rounds, ways);
    }
}

/// The component in an engine with default settings.
fn bare(component: &[u8], epochs: bool) -> Box<dyn FnMut(&str)> {
    let mut config = Config::new();
    config.epoch_interruption(epochs);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, component).unwrap();
    let mut store = Store::new(&engine, ());
    if epochs {
        store.set_epoch_deadline(1);
    }
    let linker = Linker::new(&engine);
    let instance = bindings::Extractor::instantiate(&mut store, &component, &linker).unwrap();
    Box::new(move |text| {
        let extraction = instance.arc_recording_extraction();
        extraction.call_extract_outcome(&mut store, black_box(text)).unwrap().unwrap();
    })
}

fn measure(bytes: usize, rounds: usize, mut ways: Vec<Way<'_>>) {
    let count = (ROUND_BYTES / bytes).max(1);
    let documents: Vec<String> = (0..count).map(|number| document(number, bytes)).collect();
    let mut times = vec![Vec::new(); ways.len()];
    // The first round warms the caches.
    for round in 0..=rounds {
        for (place, (_, extract)) in ways.iter_mut().enumerate() {
            let begun = Instant::now();
            documents.iter().for_each(|document| extract(document));
            if round > 0 {
                times[place].push(begun.elapsed().as_secs_f64() / count as f64);
            }
        }
    }
    println!("documents of {:.1} KB", documents[0].len() as f64 / 1e3);
    for (place, (name, _)) in ways.iter().enumerate() {
        let ratios = times[place].iter().zip(&times[0]).map(|(time, native)| time / native);
        let ratio = median(ratios.collect());
        let microseconds = median(times[place].clone()) * 1e6;
        println!("  {name:<32} {microseconds:>8.1} µs {ratio:>7.2} x native");
    }
    println!();
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
