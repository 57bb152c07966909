//! The provider of a result, which is a model with its settings, or a program that answers.

use arc_format_kit::Origin;
use arc_format_kit::json::Value;

/// The tool's name.
const TOOL: &str = "promptfoo";

/// Words between provider and model that name a kind of interface.
const INTERFACES: [&str; 17] = [
    "agent",
    "agents",
    "assistant",
    "chat",
    "completion",
    "completions",
    "embedding",
    "embeddings",
    "image",
    "messages",
    "moderation",
    "realtime",
    "responses",
    "speech",
    "text",
    "text-generation",
    "transcription",
];

/// The starts of the ids of programs and addresses that answer in place of a model.
const PROGRAMS: [&str; 13] = [
    "browser",
    "exec",
    "file",
    "golang",
    "http",
    "https",
    "javascript",
    "mcp",
    "package",
    "python",
    "ruby",
    "webhook",
    "ws",
];

/// Returns who answered: of `openai:chat:gpt-4o` the model `gpt-4o` of the provider `openai`. A provider
/// that is a program is the agent; a label of the user names the agent, too.
pub(crate) fn origin_of(id: &str, label: Option<&str>) -> Origin {
    let (provider, rest) = id.split_once(':').unwrap_or((id, ""));
    let model = match rest.split_once(':') {
        Some((interface, model)) if INTERFACES.contains(&interface) => model,
        _ => rest,
    };
    let is_program = rest.is_empty() || PROGRAMS.contains(&provider);
    let is_model = !is_program && !INTERFACES.contains(&model);
    let agent = label.or_else(|| is_program.then_some(id));
    Origin {
        models: is_model.then(|| model.to_owned()).into_iter().collect(),
        provider: (!is_program).then(|| provider.to_owned()),
        agent: agent.map(str::to_owned),
        tool: Some(TOOL.to_owned()),
        ..Origin::default()
    }
}

/// Returns who answered a result: its `provider` is an object with `id` and `label`, or only the id.
pub(crate) fn of_result(provider: Option<Value>) -> Origin {
    let member = |name| text(provider.and_then(|provider| provider.member(name)));
    match text(provider).or_else(|| member("id")) {
        Some(id) => origin_of(&id, member("label").as_deref()),
        None => Origin { tool: Some(TOOL.to_owned()), ..Origin::default() },
    }
}

/// Returns who answered in an evaluation. A prompt names its provider by the label or, without one, by
/// the id; the configuration has both.
pub(crate) fn of_run(summary: Value, config: Option<Value>, metadata: Option<Value>) -> Origin {
    let prompts = summary.member("prompts").and_then(Value::elements).unwrap_or_default();
    let configured = config.and_then(|config| config.member("providers"));
    let configured: Vec<(String, Option<String>)> = configured
        .and_then(|providers| providers.elements().or_else(|| Some(vec![providers])))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|it| Some((text(it.member("id"))?, text(it.member("label")))))
        .collect();
    let of_prompt = |prompt: Value| {
        let named = text(prompt.member("provider"))?;
        let by_label = configured.iter().find(|(_, label)| label.as_deref() == Some(&*named));
        Some(match by_label {
            Some((id, label)) => origin_of(id, label.as_deref()),
            None => origin_of(&named, None),
        })
    };
    let origins: Vec<Origin> = prompts.into_iter().filter_map(of_prompt).collect();
    Origin {
        tool: Some(TOOL.to_owned()),
        tool_version: metadata.and_then(|it| text(it.member("promptfooVersion"))),
        task: config.and_then(|config| text(config.member("description"))),
        ..Origin::of_all(&origins)
    }
}

fn text(value: Option<Value>) -> Option<String> {
    let text = value?.decode()?.text.into_owned();
    Some(text).filter(|text| !text.is_empty())
}
