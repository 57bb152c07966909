//! Who ran what, from the results of a run.

use arc_format_kit::Origin;
use arc_format_kit::json::Value;

/// The arguments of a model that name it, in the tool's order.
const NAMES: [&str; 6] = ["peft", "delta", "pretrained", "model", "path", "engine"];

/// The version of a task that declares none.
const NO_VERSION: &str = "Yaml";

/// Loaders of files, which are no data sets.
const LOADERS: [&str; 5] = ["arrow", "csv", "json", "parquet", "text"];

/// Returns who ran what, without the task.
pub(crate) fn of_run(results: Value) -> Origin {
    let config = results.member("config");
    let model = match config.and_then(|config| config.member("model_args")) {
        Some(arguments) => model_of(arguments),
        None => results.member("model_name").and_then(text),
    };
    let source = results.member("model_source").or_else(|| config?.member("model"));
    Origin {
        models: model.into_iter().collect(),
        provider: source.and_then(text),
        tool: Some("lm_eval".to_owned()),
        tool_version: results.member("lm_eval_version").and_then(text),
        ..Origin::default()
    }
}

/// Returns the task, its version and its data set.
pub(crate) fn of_task(name: &str, config: Value, version: Option<Value>) -> Origin {
    let member = |name| config.member(name).and_then(text);
    let options = config.member("dataset_kwargs");
    let option = |name| options.and_then(|options| options.member(name));
    let path = member("dataset_path");
    let dataset = match path.as_deref() {
        Some(loader) if LOADERS.contains(&loader) => option("data_files").and_then(only_text),
        _ => path.map(|path| match member("dataset_name") {
            Some(name) => format!("{path}/{name}"),
            None => path,
        }),
    };
    let number = |value: Value| value.is_number().then(|| value.json().to_owned());
    let version = version.and_then(|version| text(version).or_else(|| number(version)));
    Origin {
        task: Some(name.to_owned()),
        task_version: version.filter(|version| version != NO_VERSION),
        dataset,
        dataset_version: option("revision").and_then(text),
        ..Origin::default()
    }
}

/// Returns the model that arguments name: an object, or `NAME=VALUE` with commas between.
fn model_of(arguments: Value) -> Option<String> {
    let written = text(arguments);
    let argument = |name: &str| match &written {
        None => arguments.member(name).and_then(text),
        Some(written) => written.split(',').find_map(|argument| {
            let (found, value) = argument.split_once('=')?;
            (found.trim() == name && !value.is_empty()).then(|| value.to_owned())
        }),
    };
    NAMES.into_iter().find_map(argument)
}

/// Returns a text, or the only one of an object.
fn only_text(value: Value) -> Option<String> {
    let members = value.members().unwrap_or_default();
    match members.as_slice() {
        [(_, only)] => text(*only),
        _ => text(value),
    }
}

fn text(value: Value) -> Option<String> {
    value.decode().map(|text| text.text.into_owned()).filter(|text| !text.is_empty())
}
