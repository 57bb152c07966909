//! Measures the cost of the sandbox: the extraction component against the same code as a native
//! function.
//!
//! `cargo bench --bench extraction [-- ROUNDS]` prints, for documents of 1.5, 8.7 and 60 KB, the time
//! of each and its ratios to the native function and to the built-in component: the median of rounds
//! in which all alternate, so that a busy machine slows all of them. Then it prints the time to load
//! a component from the cache, and to compile it.
//!
//! - native: the extractor crate, called as a library;
//! - built in: as in recording, one instance for a series of documents;
//! - fresh session: a new instance for each document;
//! - plug-in: the same component with fuel, like added components without imports; and with a
//!   deadline as well, like those with WASI;
//! - bare wasmtime with fuel, epochs, both or neither: the cost of each of them, and of the host's
//!   own layer.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a failing measurement panics, and the figures are printed"
)]

mod support;

use std::hint::black_box;
use std::time::Instant;

use arc_host::extraction::{
    BUILT_IN, ExtractionEngine, ExtractionSettings, Extractor, LoadOptions,
};
use support::documents::document;
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "extractor" });
}

/// The bytes of documents in a round: long enough to measure, short enough to alternate.
const ROUND_BYTES: usize = 1 << 20;

/// The name of a way to extract, and its function.
type Way<'w> = (&'static str, Box<dyn FnMut(&str) + 'w>);

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let rounds = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(41);
    println!("component of {} bytes, {rounds} rounds\n", BUILT_IN.len());
    let runtime = Runtime::new().unwrap();
    let settings = ExtractionSettings::default();
    let extractor = Extractor::built_in(&settings).unwrap();
    let plug_in = ExtractionEngine::fuelled(&settings.limits).unwrap();
    let plug_in = plug_in.load(BUILT_IN, &LoadOptions::default()).unwrap();
    let with_deadline = Extractor::from_component(BUILT_IN, &settings).unwrap();
    for bytes in [1_500, 8_700, 60_000] {
        let mut kept = runtime.block_on(extractor.session());
        let mut fuelled = runtime.block_on(plug_in.session());
        let mut metered = runtime.block_on(with_deadline.session());
        let ways: Vec<Way<'_>> = vec![
            ("native", Box::new(|text| drop(black_box(arc_extractor::extract_outcome(text))))),
            (
                "built in, kept session",
                Box::new(move |text| {
                    kept.extract_outcome(None, black_box(text)).unwrap().unwrap();
                }),
            ),
            (
                "built in, fresh session",
                Box::new(|text| {
                    let mut fresh = runtime.block_on(extractor.session());
                    fresh.extract_outcome(None, black_box(text)).unwrap().unwrap();
                }),
            ),
            (
                "plug-in, kept session",
                Box::new(move |text| {
                    fuelled.extract_outcome(None, black_box(text)).unwrap().unwrap();
                }),
            ),
            (
                "plug-in with a deadline",
                Box::new(move |text| {
                    metered.extract_outcome(None, black_box(text)).unwrap().unwrap();
                }),
            ),
            ("bare wasmtime", bare(false, false)),
            ("bare wasmtime, epochs", bare(true, false)),
            ("bare wasmtime, fuel", bare(false, true)),
            ("bare wasmtime, epochs and fuel", bare(true, true)),
        ];
        measure(bytes, rounds, ways);
    }
    measure_loading(rounds);
}

/// Returns a function that runs the component in an engine with default settings.
fn bare(epochs: bool, fuel: bool) -> Box<dyn FnMut(&str)> {
    let mut config = Config::new();
    config.epoch_interruption(epochs).consume_fuel(fuel);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, BUILT_IN).unwrap();
    let mut store = Store::new(&engine, ());
    if epochs {
        store.set_epoch_deadline(1);
    }
    if fuel {
        store.set_fuel(u64::MAX).unwrap();
    }
    let linker = Linker::new(&engine);
    let instance = bindings::Extractor::instantiate(&mut store, &component, &linker).unwrap();
    Box::new(move |text| {
        let extraction = instance.arc_recording_extraction();
        extraction.call_extract_outcome(&mut store, black_box(text)).unwrap().unwrap();
    })
}

/// Measures the time until the first verdict of an added component, with and without a cached
/// compilation.
fn measure_loading(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let cache_dir = Some(folder.path().join("cache"));
    let engine = ExtractionEngine::fuelled(&ExtractionSettings::default().limits).unwrap();
    let load = |loading: &LoadOptions| {
        let begun = Instant::now();
        let extractor = engine.load(BUILT_IN, loading).unwrap();
        let mut session = extractor.session_now();
        session.extract_outcome(None, &document(0, 1_500)).unwrap().unwrap();
        begun.elapsed().as_secs_f64() * 1e3
    };
    let loading = LoadOptions { cache_dir, ..LoadOptions::default() };
    let compiled = load(&loading);
    let cached = median((0..rounds).map(|_| load(&loading)).collect());
    println!("an added component, until its first verdict");
    println!("  compiled before                  {cached:>8.1} ms");
    println!("  compiled now                     {compiled:>8.1} ms");
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
        let ratio = |to: usize| {
            let ratios = times[place].iter().zip(&times[to]).map(|(time, other)| time / other);
            median(ratios.collect())
        };
        let microseconds = median(times[place].clone()) * 1e6;
        let (native, built_in) = (ratio(0), ratio(1));
        println!(
            "  {name:<32} {microseconds:>8.1} µs {native:>7.2} x native {built_in:>7.2} x built in"
        );
    }
    println!();
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
