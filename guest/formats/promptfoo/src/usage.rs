//! Reads token counts.

use arc_format_kit::json::{Place, Reader, Value};
use arc_format_kit::usage::ReportedTokens;

/// Reads a `tokenUsage`; its problems become warnings. `cached` is an answer from promptfoo's own
/// cache, which is the total of that answer, or the part of the prompt that the provider's cache had,
/// which some providers write as `cacheReadInputTokens`, too.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    usage: Option<Value<'a>>,
    place: Place,
) -> ReportedTokens {
    let object = place.pointer();
    let details_object = format!("{object}/completionDetails");
    reader.decoration(|reader| {
        let names = ["total", "prompt", "completion", "cached", "completionDetails"];
        let usage = usage.filter(|usage| usage.json() != "null");
        let [total, prompt, completion, cached, details] = reader.object(usage, place, names);
        let details = details.filter(|details| details.json() != "null");
        let details_place = Place { object: &object, member: "completionDetails" };
        let kinds = ["reasoning", "cacheReadInputTokens", "cacheCreationInputTokens"];
        let [reasoning, cache_read, cache_write] = reader.object(details, details_place, kinds);
        let mut count = |value, object, member| reader.tokens(value, Place { object, member });
        let cached = count(cached, &object, "cached").unwrap_or_default();
        let cache_read = count(cache_read, &details_object, "cacheReadInputTokens");
        let cache_write = count(cache_write, &details_object, "cacheCreationInputTokens");
        ReportedTokens {
            input: count(prompt, &object, "prompt").unwrap_or_default(),
            cache_read: cache_read.unwrap_or_default().max(cached),
            cache_write: cache_write.unwrap_or_default(),
            output: count(completion, &object, "completion").unwrap_or_default(),
            reasoning: count(reasoning, &details_object, "reasoning").unwrap_or_default(),
            total: count(total, &object, "total"),
        }
    })
}
