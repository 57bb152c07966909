//! What Harbor reports about a job is what the results of the job have.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

use arc_format_harbor::HarborFormat;
use arc_format_kit::{Outcome, RunReport, RunStatus, finite};
use arc_format_testing::{accepted, agrees, frame};

const FOLDER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fixtures/formats/harbor/genuine/");

fn job(name: &str) -> (RunReport, Vec<Outcome>) {
    let bytes = std::fs::read(format!("{FOLDER}{name}.json")).unwrap();
    let file = frame::<HarborFormat>("result.json", &bytes).unwrap();
    let header = file.header.as_deref();
    let outcomes: Vec<Outcome> =
        file.documents.iter().map(|item| accepted::<HarborFormat>(header, item)).collect();
    let report = finite::suite::<HarborFormat>(header.unwrap()).unwrap().run;
    for item in &file.documents {
        assert_eq!(finite::scenario::<HarborFormat>(header, item).unwrap().run_id, report.run_id);
    }
    (report, outcomes)
}

#[test]
fn every_figure_is_that_of_the_results() {
    // The number of figures that are compared, of which tokens and cost are two.
    for (name, compared) in [
        ("all-invalid", 2),
        // The mean and the sum, but neither the lowest nor the highest value.
        ("all-metrics", 4),
        ("another-name", 3),
        ("cancelled", 3),
        // Some results count as 0, and others do not count.
        ("invalid-and-without", 3),
        ("invalid-reward", 3),
        ("killed", 3),
        ("negative-and-large", 3),
        ("no-price", 2),
        ("no-reward-file", 3),
        ("no-usage", 1),
        ("not-a-number", 2),
        ("one-reward", 3),
        ("one-without-reward", 4),
        ("pass-at-k", 3),
        ("steps", 3),
        ("sum", 3),
        ("timeout-is-valid", 3),
        ("two-agents", 2),
        ("two-metrics", 6),
        ("two-rewards", 4),
        ("two-rewards-sum", 4),
    ] {
        let (report, outcomes) = job(name);
        assert_eq!(agrees(&report, &outcomes), compared, "{name}: {report:?}");
        let headlines = report.figures.iter().filter(|figure| figure.headline).count();
        let has_none = ["all-invalid", "two-agents"].contains(&name);
        assert_eq!(headlines, usize::from(!has_none), "{name}");
        let mut names: Vec<&str> = report.figures.iter().map(|it| &*it.figure).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{name}: {names:?}");
    }
}

#[test]
fn a_job_without_an_end_is_not_complete() {
    let (killed, _) = job("killed");
    assert_eq!(killed.status, Some(RunStatus::Incomplete));
    assert_eq!((killed.planned_results, killed.reported_results), (Some(6.0), Some(2.0)));
    assert!(killed.status_reason.unwrap().contains("2 of 6"));
    let (cancelled, outcomes) = job("cancelled");
    assert_eq!(cancelled.status, Some(RunStatus::Cancelled));
    assert_eq!(outcomes[1].headline_value(), None);
    let (done, _) = job("one-reward");
    assert_eq!((done.status, done.status_reason), (Some(RunStatus::Completed), None));
}

#[test]
fn a_reward_that_is_no_number_is_absent() {
    let (report, outcomes) = job("not-a-number");
    assert_eq!(outcomes[1].headline_value(), None);
    assert_eq!(report.figures[0].value, None);
}
