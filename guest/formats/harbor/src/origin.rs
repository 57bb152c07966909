//! Who ran what.
//!
//! A trial of Harbor has its agent, model and data set. A job has what the groups of its statistics have
//! in common, whose names are `AGENT__DATA_SET` or `AGENT__MODEL__DATA_SET`. terminal-bench writes
//! neither into its results.

use std::rc::Rc;

use arc_format_kit::Origin;
use arc_format_kit::finite::with_null_for_nan;
use arc_format_kit::json::{Reader, Value};
use arc_format_kit::memo::Memo;

/// The data set of trials without one, in the names of groups.
const NO_DATASET: &str = "adhoc";

thread_local! {
    static HEADER: Memo<Origin> = const { Memo::new() };
}

/// Returns the origin of a run from its header; without a header it is empty.
pub(crate) fn of_header(header: Option<&str>) -> Rc<Origin> {
    let read = |header: &str| {
        let header = with_null_for_nan(header);
        let (mut reader, root) = Reader::new(&header).ok()?;
        let [total, stats] = reader.root(root, ["n_total_trials", "stats"])?;
        Some(if total.is_some() || stats.is_some() { of_job(root) } else { of_terminal_bench() })
    };
    let Some(header) = header else { return Rc::default() };
    HEADER.with(|memo| memo.get(header, |header| read(header).unwrap_or_default()))
}

/// Returns who ran a result of terminal-bench.
pub(crate) fn of_terminal_bench() -> Origin {
    Origin { tool: Some("terminal-bench".to_owned()), ..Origin::default() }
}

/// Returns who ran a job of Harbor.
pub(crate) fn of_job(job: Value) -> Origin {
    let groups = job.member("stats").and_then(|stats| stats.member("evals")?.members());
    let groups = groups.unwrap_or_default();
    let origins: Vec<Origin> = groups.iter().map(|(name, _)| of_group(&name.text)).collect();
    Origin { tool: Some("harbor".to_owned()), ..Origin::of_all(&origins) }
}

/// Returns who ran a trial of Harbor.
pub(crate) fn of_trial(agent: Option<Value>, source: Option<Value>) -> Origin {
    let of_agent = |name| agent.and_then(|agent| agent.member(name));
    let of_model = |name| of_agent("model_info").and_then(|model| model.member(name));
    Origin {
        models: of_model("name").and_then(text).into_iter().collect(),
        provider: of_model("provider").and_then(text),
        agent: of_agent("name").and_then(text),
        agent_version: of_agent("version").and_then(text),
        dataset: source.and_then(text),
        tool: Some("harbor".to_owned()),
        ..Origin::default()
    }
}

/// Returns what the name of a group contains.
fn of_group(name: &str) -> Origin {
    let parts: Vec<&str> = name.split("__").collect();
    let (agent, model, dataset) = match parts.as_slice() {
        [agent, dataset] => (*agent, None, *dataset),
        [agent, model, dataset] => (*agent, Some(*model), *dataset),
        _ => return Origin::default(),
    };
    Origin {
        models: model.map(str::to_owned).into_iter().collect(),
        agent: Some(agent.to_owned()),
        dataset: Some(dataset.to_owned()).filter(|dataset| dataset != NO_DATASET),
        ..Origin::default()
    }
}

fn text(value: Value) -> Option<String> {
    value.decode().map(|text| text.text.into_owned()).filter(|text| !text.is_empty())
}
