//! Who ran what, from the header of a log.

use arc_format_kit::Origin;
use arc_format_kit::json::Value;
use arc_format_kit::usage::{SCORER, USER_SIMULATOR, role};

use crate::header::text;
use crate::suite::distinct;

/// The model of a task that has none, because its roles have models.
const NO_MODEL: &str = "none/none";

/// Returns who ran what.
pub(crate) fn of_run(eval: Option<Value>, plan: Option<Value>) -> Origin {
    let of_eval = |name| eval.and_then(|eval| eval.member(name));
    let of_dataset = |name| of_eval("dataset").and_then(|dataset| dataset.member(name));
    let is_agent = |name: &str| ![SCORER, USER_SIMULATOR].contains(&&*role(name));
    let in_roles = models_of_roles(eval).into_iter().filter(|(name, _)| is_agent(name));
    let models = of_eval("model").and_then(text).into_iter();
    let models = models.filter(|model| model != NO_MODEL);
    let version = of_eval("packages").and_then(|packages| packages.member("inspect_ai"));
    Origin {
        models: distinct(models.chain(in_roles.flat_map(|(_, models)| models))),
        agent: of_eval("solver").and_then(text).or_else(|| last_solver(plan?)),
        task: of_eval("task").and_then(text),
        // Inspect writes 0 for a task that declares no version.
        task_version: of_eval("task_version").and_then(version_of).filter(|it| it != "0"),
        dataset: of_dataset("name")
            .and_then(text)
            .or_else(|| of_dataset("location").and_then(text)),
        tool: eval.map(|_| "inspect_ai".to_owned()),
        tool_version: version.and_then(text),
        ..Origin::default()
    }
    .with_provider_of_models()
}

/// Returns the models of each role.
pub(crate) fn models_of_roles(eval: Option<Value>) -> Vec<(String, Vec<String>)> {
    let roles = eval.and_then(|eval| eval.member("model_roles")).and_then(Value::members);
    let model = |config: Value| config.member("model").and_then(text);
    let models = |configs: Value| {
        let configs = configs.elements().unwrap_or_else(|| vec![configs]);
        configs.into_iter().filter_map(model).collect()
    };
    let roles = roles.into_iter().flatten();
    roles.map(|(role, configs)| (role.text.into_owned(), models(configs))).collect()
}

/// Returns the name of the last solver of a plan, which is the agent, without its package. A plan with a
/// `finish` has that as its last step, too.
fn last_solver(plan: Value) -> Option<String> {
    let mut steps = plan.member("steps")?.elements()?;
    if plan.member("finish").is_some_and(|finish| finish.is_object()) {
        steps.pop();
    }
    let solver = steps.last()?.member("solver").and_then(text)?;
    Some(solver.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Returns a version, which is a number or a text.
fn version_of(value: Value) -> Option<String> {
    if value.is_number() { Some(value.json().to_owned()) } else { text(value) }
}
