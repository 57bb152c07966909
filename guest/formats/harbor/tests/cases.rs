//! Files whose right figures are known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use arc_format_harbor::{HarborFormat, TRIALS_IN_OTHER_FILES};
use arc_format_kit::{
    Aggregation, Format, Items, MissingPolicy, Outcome, RunReport, RunStatus, finite,
};
use arc_format_testing::{FramedFile, accepted, agrees, frame, rejected, scores};

const FOLDER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/harbor/");

fn framed(name: &str) -> FramedFile {
    frame::<HarborFormat>("result.json", &std::fs::read(format!("{FOLDER}{name}")).unwrap())
        .unwrap()
}

fn outcomes(file: &FramedFile) -> Vec<Outcome> {
    let header = file.header.as_deref();
    file.documents.iter().map(|item| accepted::<HarborFormat>(header, item)).collect()
}

fn report(file: &FramedFile) -> RunReport {
    finite::suite::<HarborFormat>(file.header.as_deref().unwrap()).unwrap().run
}

/// Returns the trials' own files of a job's folder.
fn trials(folder: &str) -> Vec<FramedFile> {
    let mut names: Vec<String> = std::fs::read_dir(format!("{FOLDER}{folder}"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("__"))
        .collect();
    names.sort_unstable();
    names.iter().map(|name| framed(&format!("{folder}/{name}/result.json"))).collect()
}

/// Checks that the trials' own files have the results of the file of the job.
fn same_file_by_file(folder: &str, of_job: &[Outcome]) {
    let alone: Vec<Outcome> = trials(folder).iter().flat_map(outcomes).collect();
    assert_eq!(alone.len(), of_job.len());
    for (alone, of_job) in alone.iter().zip(of_job) {
        let identity = |it: &Outcome| (it.scenario.id.clone(), it.key.clone(), it.place.clone());
        assert_eq!(identity(alone), identity(of_job));
        assert_eq!((&alone.scores, alone.tokens_used), (&of_job.scores, of_job.tokens_used));
    }
}

#[test]
fn three_trials_of_each_task_all_count() {
    let job = framed("three-trials-each/job-with-trials.json");
    let found = outcomes(&job);
    let mut places: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for outcome in &found {
        assert_eq!((outcome.trial, outcome.headline.as_deref()), (None, Some("reward")));
        places.entry(&outcome.scenario.id).or_default().insert(outcome.place.as_deref().unwrap());
    }
    let expected = [
        ("tb/a", BTreeSet::from(["a__x1", "a__x2", "a__x3"])),
        ("tb/b", BTreeSet::from(["b__x4", "b__x5", "b__x6"])),
    ];
    assert_eq!(places, BTreeMap::from(expected));
    let report = report(&job);
    let [figure] = &*report.figures else { panic!("{report:?}") };
    assert_eq!((&*figure.metric, &*figure.figure), ("reward", "mean"));
    assert_eq!((figure.value, figure.headline), (Some(0.5), true));
    assert_eq!(agrees(&report, &found), 3);
    same_file_by_file("three-trials-each", &found);
}

#[test]
fn rewards_beyond_1_are_neither_dropped_nor_averaged_together() {
    let job = framed("rewards-beyond-1/job-with-trials.json");
    let found = outcomes(&job);
    assert_eq!(scores(&found[0]), [("reward", 0.5)]);
    assert_eq!(scores(&found[1]), [("reward", 3.2)]);
    assert_eq!(scores(&found[2]), [("reward", -1.0)]);
    assert_eq!(scores(&found[3]), [("speedup", 2.5), ("correct", 1.0), ("lines", 0.4)]);
    assert_eq!(found[3].headline, None);
    let report = report(&job);
    let figure = report.figures.iter().find(|it| it.metric == "reward").unwrap();
    assert!((figure.value.unwrap() - 0.675).abs() < 1e-12 && figure.headline);
    assert_eq!((figure.aggregation, figure.missing), (Aggregation::Mean, MissingPolicy::Zero));
    assert_eq!(agrees(&report, &found), 6);
    same_file_by_file("rewards-beyond-1", &found);
}

#[test]
fn the_files_of_a_job_folder_are_results_of_one_run() {
    let files = trials("job-folder");
    assert_eq!(files.len(), 10);
    let job = std::fs::read_to_string(format!("{FOLDER}job-folder/result.json")).unwrap();
    let report = HarborFormat::suite(&job).unwrap().run;
    let (mut keys, mut found) = (BTreeSet::new(), Vec::new());
    for file in &files {
        let planned = HarborFormat::scenario(None, &file.documents[0]).unwrap();
        assert_eq!(planned.run_id, report.run_id);
        let outcome = accepted::<HarborFormat>(None, &file.documents[0]);
        assert!(file.documents[0].contains(outcome.place.as_deref().unwrap()));
        assert!(keys.insert(outcome.key.clone().unwrap()));
        found.push(outcome);
    }
    assert_eq!(report.run_id.as_deref(), Some("25595972-5fb7-466b-9106-6a4cc21ee157"));
    assert_eq!((report.status, report.planned_results), (Some(RunStatus::Completed), Some(10.0)));
    // Two trials have no valid rewards and do not count, and two of the other eight have no `reward`
    // and count as 0. A figure has one policy for both, so these are not compared.
    let named: Vec<_> = report.figures.iter().map(|it| (&*it.figure, it.value.unwrap())).collect();
    assert_eq!(named, [("reward", 0.6875), ("style", 0.125), ("tests_passed", 1.75)]);
    assert_eq!(agrees(&report, &found), 0);
}

#[test]
fn the_trials_of_a_job_are_in_files_below_its_folder() {
    for name in ["job-folder", "three-trials-each", "rewards-beyond-1"] {
        let file = framed(&format!("{name}/result.json"));
        let items =
            Items::ElementsOrFiles("/trial_results/*".to_owned(), "*/result.json".to_owned());
        assert_eq!((&file.layout.items, file.documents.len()), (&items, 0));
        // A caller that passes the job as a result gets to know it, too.
        let expected = [(String::new(), TRIALS_IN_OTHER_FILES)];
        let job = file.header.unwrap();
        assert_eq!(rejected::<HarborFormat>(None, &job), expected);
    }
}

#[test]
fn a_trial_in_two_files_of_terminal_bench_is_one_result() {
    let run = framed("terminal-bench-same-trial-twice/run-results.json");
    let trial = framed("terminal-bench-same-trial-twice/trial-results.json");
    let [of_run, alone] = [&run, &trial].map(|file| outcomes(file).remove(0));
    assert_eq!(of_run.key.as_deref(), Some("660fc2d0-a759-4f21-bed2-6048186512ad"));
    assert_eq!((&of_run.key, &of_run.place), (&alone.key, &alone.place));
    assert_eq!((of_run.trial, &of_run.scenario.id), (alone.trial, &alone.scenario.id));
    assert_eq!((&of_run.scores, &of_run.revised_at), (&alone.scores, &alone.revised_at));
    let planned = HarborFormat::scenario(run.header.as_deref(), &run.documents[0]).unwrap();
    assert_eq!(planned.run_id.as_deref(), Some("81c1b86e-6494-4b92-99bf-073e1d24c38d"));
    assert_eq!(report(&run).figures[0].value, Some(0.4));
}

#[test]
fn only_times_with_an_offset_are_points_in_time() {
    let report = |offset: &str| {
        let job = format!(
            r#"{{"id": "j", "n_total_trials": 1, "stats": {{}}, "updated_at": "2026-01-02T00:00:00Z",
                "started_at": "2026-01-01T00:00:00{offset}", "finished_at": "2026-01-01T01:00:00{offset}"}}"#
        );
        HarborFormat::suite(&job).unwrap().run
    };
    let run = report("Z");
    assert_eq!(run.created_at.as_deref(), Some("2026-01-01T00:00:00.000000Z"));
    assert_eq!(run.revised_at.as_deref(), Some("2026-01-01T01:00:00.000000Z"));
    assert_eq!((&run.started_at, &run.completed_at), (&run.created_at, &run.revised_at));
    let run = report("");
    assert_eq!(
        [run.created_at, run.revised_at, run.started_at, run.completed_at],
        [const { None }; 4]
    );
}
