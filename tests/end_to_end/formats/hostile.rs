//! Misbehaving components: each causes one clear error, the other results are recorded, and the host continues.

use super::{add, hostile_component, run};
use crate::support::{Files, Program, TestDatabase};

/// Records three results, the second of which makes the component misbehave.
#[track_caller]
fn goes_wrong(deed: &str, expected: &str) {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let lines = format!(
        "{{\"id\": \"before\"}}\n{{\"id\": \"é bad\", \"do\": \"{deed}\"}}\n{{\"id\": \"after\"}}\n"
    );
    let file = files.write("a.hostile", lines);
    let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]).ended(1);
    assert!(recorded.stderr.contains(expected), "{deed}: {}", recorded.stderr);
    let summary = recorded.json();
    assert_eq!((&summary["stored"], &summary["failed"]), (&2.into(), &1.into()), "{summary}");
    let stored = database.query("SELECT scenario_id FROM arc_recorder.outcomes ORDER BY 1");
    let stored: Vec<String> = stored.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored, ["after", "before"], "{deed}");
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    goes_wrong("loop", "units of fuel");
}

#[test]
fn memory_is_bounded() {
    goes_wrong("grow", "bytes of memory");
}

#[test]
fn a_trap_affects_only_its_own_document() {
    goes_wrong("trap", "bug in the component");
}

#[test]
fn a_recursion_without_end_is_a_trap() {
    goes_wrong("recurse", "bug in the component");
}

#[test]
fn an_answer_is_bounded() {
    goes_wrong("answer", "answer is larger than the limit");
}

#[test]
fn a_span_outside_of_the_document_is_refused() {
    goes_wrong("span", "which is not a part of a document");
}

#[test]
fn a_span_within_a_character_is_refused() {
    goes_wrong("split", "which is not a part of a document");
}

#[test]
fn a_component_that_cannot_be_asked_leaves_the_others_to_answer() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    for name in ["a.endless", "a.confused"] {
        let file = files.write(name, r#"{"id": "one"}"#);
        let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]);
        let stderr = recorded.ended(1).stderr;
        for part in ["the format hostile cannot be used", "no format recognises"] {
            assert!(stderr.contains(part), "{name}: {part}: {stderr}");
        }
    }
}

#[test]
fn only_the_item_that_cannot_be_classified_is_refused() {
    let database = TestDatabase::new();
    let (program, files) = (Program::on(&database), Files::new());
    add(&program, &files, &hostile_component(), &[]).ended(0);
    let lines = "{\"id\": \"one\"}\n{\"is\": \"trap\", \"id\": \"two\", \"do\": \"nonsense\"}\n{\"id\": \"three\"}";
    let file = files.write("a.classified", lines);
    let recorded = run(&program, &files, &["--json", "record", file.to_str().unwrap()]);
    let summary = recorded.ended(2).json();
    assert_eq!((&summary["stored"], &summary["rejected"]), (&2.into(), &1.into()), "{summary}");
    assert_eq!(summary["rejected_results"][0]["code"], "unknown_deed");
    assert_eq!(summary["rejected_results"][0]["position"], 1);
}

#[test]
fn a_file_that_is_not_a_format_component_is_refused_before_it_runs() {
    let (program, files) = (Program::without_database(), Files::new());
    let good = std::fs::read(hostile_component()).unwrap();
    let another = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(from.len()).position(|part| part == from) {
            bytes[at + found..at + found + to.len()].copy_from_slice(to);
            at += found + to.len();
        }
        bytes
    };
    let importing = {
        let mut component = wasm_encoder::Component::new();
        let mut types = wasm_encoder::ComponentTypeSection::new();
        types.instance(&wasm_encoder::InstanceType::new());
        component.section(&types);
        let mut imports = wasm_encoder::ComponentImportSection::new();
        imports.import("evil:files/everything@1.0.0", wasm_encoder::ComponentTypeRef::Instance(0));
        component.section(&imports);
        component.finish()
    };
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("text.wasm", b"hello".to_vec(), "not WebAssembly"),
        ("cut.wasm", good[..good.len() / 2].to_vec(), "not WebAssembly"),
        ("module.wasm", b"\0asm\x01\0\0\0".to_vec(), "core module"),
        ("empty.wasm", b"\0asm\x0d\0\x01\0".to_vec(), "does not export arc:recording/extraction"),
        ("later.wasm", another(b"@0.1.0", b"@0.7.0"), "built for arc:recording@0.7.0"),
        ("import.wasm", importing, "imports evil:files/everything@1.0.0"),
    ];
    for (name, bytes, expected) in cases {
        let file = files.write(name, bytes);
        let refused = add(&program, &files, &file, &[]).ended(1);
        assert!(refused.stderr.contains(expected), "{name}: {}", refused.stderr);
    }
    let missing = add(&program, &files, &files.path("nowhere.wasm"), &[]).ended(1);
    assert!(missing.stderr.contains("could not read"), "{}", missing.stderr);
    // The failed attempt leaves nothing behind.
    let listed = run(&program, &files, &["--json", "formats", "list"]).ended(0).json_lines();
    assert!(listed.iter().all(|entry| entry["source"] != "added"), "{listed:?}");
    let kept = std::fs::read_dir(files.path("data/formats"));
    assert!(kept.is_err() || kept.unwrap().count() == 0);
}
