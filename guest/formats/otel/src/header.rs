//! The header of a file: the document around its spans, which names their instrumentations.

use arc_format_kit::json::{Reader, Value};
use arc_format_kit::{Origin, RunReport, SuiteSummary, Violation};

/// Parts of the names of instrumentations of generative AI. Those of evaluations come first: they
/// ran what the others only observed.
const NAMES: [&str; 24] = [
    "evals",
    "evaluation",
    "agent",
    "agents",
    "agno",
    "ai",
    "anthropic",
    "bedrock",
    "cohere",
    "crewai",
    "genai",
    "groq",
    "langchain",
    "langfuse",
    "litellm",
    "llamaindex",
    "llm",
    "mistralai",
    "ollama",
    "openai",
    "openinference",
    "smolagents",
    "strands",
    "traceloop",
];

/// Reads the tool of all results of a file, which is the instrumentation of
/// generative AI with the most spans.
pub(crate) fn suite(header: &str) -> Result<SuiteSummary, Vec<Violation>> {
    let (mut reader, root) = Reader::new(header)?;
    let answer = reader.root(root, ["resourceSpans"]).map(|[resources]| {
        let scopes = elements(resources)
            .into_iter()
            .flat_map(|resource| elements(resource.member("scopeSpans")));
        let tools = scopes.filter_map(|scope_spans| {
            let scope = scope_spans.member("scope")?;
            let name = scope.member("name")?.decode()?.text.into_owned();
            let rank = rank(&name)?;
            let spans = scope_spans.member("spans").and_then(Value::element_count);
            let version = scope.member("version").and_then(Value::decode);
            let version =
                version.map(|text| text.text.into_owned()).filter(|text| !text.is_empty());
            Some((rank, spans, name, version))
        });
        let tool = tools.max_by_key(|(rank, spans, ..)| (*rank, *spans));
        let (tool, tool_version) = tool.map(|(_, _, name, version)| (name, version)).unzip();
        let origin = Origin { tool, tool_version: tool_version.flatten(), ..Origin::default() };
        SuiteSummary {
            run: RunReport { origin, ..RunReport::default() },
            ..SuiteSummary::default()
        }
    });
    reader.finish_suite(answer)
}

fn elements(value: Option<Value<'_>>) -> Vec<Value<'_>> {
    value.and_then(Value::elements).unwrap_or_default()
}

/// Returns the rank of an instrumentation by the parts of its name; `None` if it is not one of
/// generative AI.
fn rank(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    let parts = name.split(|character: char| !character.is_ascii_alphanumeric());
    let found = parts.filter_map(|part| NAMES.iter().position(|known| *known == part));
    found.min().map(|first| u8::from(first < 2))
}
